"""The history of an analysis, kept small: pure functions from one state to the next.

What is kept follows from what was kept and what came, so an operator that is killed between two
writes comes to the same. An entry of the log is told from the last of its kind by its mark, not by
the change that made it: the log follows the state, and saying a state twice adds nothing.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import ValidationError

from controllers.conditions import clip, timestamp
from controllers.delivery.plan import AnalysisPlan, Metric
from crds.history import Criteria, Criterion, Entry, Figures, History, Kind, Look

if TYPE_CHECKING:
    from controllers.delivery.evidence import Evidence
    from controllers.delivery.verdict import Reading, Verdict

#: Looks kept. More would not show in a picture.
MOST_LOOKS = 128
#: Entries of the log kept: the first ones, and as many of the last as fit.
MOST_ENTRIES, FIRST_ENTRIES = 100, 4
WORDS = 320


def parse(text: str | None) -> History:
    """The history that `dump` wrote; an empty one where it cannot be read, since nothing depends on
    it."""
    try:
        return History.model_validate_json(text or "")
    except ValidationError:
        return History()


def dump(history: History) -> str:
    """The history as text."""
    return history.model_dump_json(by_alias=True, exclude_none=True)


def with_look(history: History, look: Look) -> History:
    """The history with one look more. The first one and the newest stay; of the others fewer, the
    longer it goes on."""
    looks, spacing = [*history.looks, look], history.spacing
    if len(looks) > 2 and _seconds(looks[-3], looks[-2]) < spacing:
        del looks[-2]  # it was kept only because it was the newest
    while len(looks) > MOST_LOOKS:
        spacing = max(1, 2 * spacing)
        looks = _spread(looks, spacing)
    return history.model_copy(update={"looks": looks, "spacing": spacing})


def with_entry(
    history: History, time: str, kind: Kind, mark: str, words: str, percent: int | None = None
) -> History:
    """The history with an entry, unless its mark is that of the last one of its kind."""
    last = next((each for each in reversed(history.log) if each.kind == kind), None)
    if last is not None and last.mark == mark:
        return history
    entry = Entry(time=time, kind=kind, mark=mark, words=clip(words, WORDS), percent=percent)
    log = [*history.log, entry]
    if len(log) > MOST_ENTRIES:
        log = [*log[:FIRST_ENTRIES], *log[FIRST_ENTRIES - MOST_ENTRIES :]]
    return history.model_copy(update={"log": log})


def look_of(evidence: "Evidence", verdict: "Verdict", now: datetime) -> Look:
    """What a look saw."""
    canary, baseline = evidence.split.counts
    return Look(
        time=timestamp(now),
        blocks=evidence.blocks,
        assigned=(round(canary), round(baseline)),
        harmful_at=evidence.harmful_at,
        split_log_e=_short(evidence.split.log_e),
        metrics=[_figures(reading) for reading in verdict.metrics],
    )


def criteria(plan: AnalysisPlan) -> Criteria:
    """What the plan holds an analysis to."""
    return Criteria(
        metrics=[_criterion(metric) for metric in plan.metrics],
        block=plan.block,
        cap=plan.cap,
        harm_bar=len(plan.metrics) / plan.harm_alpha,
        split_bar=1 / plan.split_alpha,
        confidence=100 * (1 - plan.proof_alpha),
    )


def _criterion(metric: Metric) -> Criterion:
    margin = metric.margin
    return Criterion(
        name=metric.name,
        better=metric.better,
        low=metric.low,
        high=metric.high,
        margin=margin.absolute if margin and not margin.relative else None,
        relative_margin=margin.relative if margin and margin.relative else None,
        norm=metric.norm,
    )


def _figures(reading: "Reading") -> Figures:
    known = {
        name: _short(value)
        for name in ("canary", "baseline", "lower", "upper")
        if (value := getattr(reading, name)) is not None
    }
    return Figures(**known, log_e=_short(reading.log_e))


def _short(value: float) -> float:
    """To four digits: finer than a picture shows."""
    return float(f"{value:.4g}")


def _spread(looks: Sequence[Look], spacing: int) -> list[Look]:
    """The first, each that is far enough from the last one kept, and the newest."""
    kept = [looks[0]]
    for look in looks[1:-1]:
        if _seconds(kept[-1], look) >= spacing:
            kept.append(look)
    return [*kept, looks[-1]]


def _seconds(earlier: Look, later: Look) -> float:
    apart = datetime.fromisoformat(later.time) - datetime.fromisoformat(earlier.time)
    return apart.total_seconds()
