"""What the sessions of a rollout amount to: the checkpoint as it stands in the cluster and what the
gateways saw since, and Prometheus says, go in; the next checkpoint and the verdict on it come out.

What follows from a verdict is `decide`'s. The statistics are those of `controllers.delivery`; they
bring NumPy with them, so they are imported when an analysis is under way and not before.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, TypeGuard

from controllers import pace
from controllers.conditions import clip
from controllers.delivery import history
from controllers.delivery.plan import AnalysisPlan
from controllers.delivery.windows import LOG, Queries, Told, whole
from controllers.ensemble.rollout.phases import UNDER_WAY
from controllers.ensemble.rollout.record import CHECKPOINT_KEY, WINDOWS_KEY, Known, past_of, text_of
from controllers.ensemble.rollout.terms import Terms
from controllers.plan import Object
from crds.observations import Observations
from crds.rollout import Analysis, Judged, Rollout, RolloutStatus, RolloutVerdict

if TYPE_CHECKING:
    from controllers.delivery.evidence import Evidence
    from controllers.delivery.verdict import Verdict


@dataclass(frozen=True)
class Judgement:
    """One look: the verdict, and what it follows from."""

    verdict: RolloutVerdict
    known: Known


def config_map_name(ensemble: str) -> str:
    return f"{ensemble}-analysis"


def is_open(status: RolloutStatus | None, terms: Terms) -> TypeGuard[RolloutStatus]:
    """Whether sessions are told by the new revision and judged, by the terms that the rollout began
    with."""
    return (
        terms.plan is not None
        and status is not None
        and status.phase in UNDER_WAY
        and status.step > 0
        and status.plan == terms.digest
    )


def cursor(terms: Terms, status: RolloutStatus, stored: Object | None) -> Mapping[str, int]:
    """The last entry of each log that counts already; none of a checkpoint that `judge` would not
    go on from."""
    return counted_before(terms.plan, status.salt, stored).cursor if terms.plan else {}


def counted_window(queries: Queries, status: RolloutStatus, stored: Object | None) -> int | None:
    """The last window of Prometheus that counts already; None where none does."""
    return counted_before(queries.plan, status.salt, stored, WINDOWS_KEY).cursor.get(LOG)


def judge(
    terms: Terms,
    policy: Rollout,
    status: RolloutStatus,
    stored: Object | None,
    seen: Sequence[Observations],
    now: datetime,
    told: Told | None = None,
) -> Judgement | None:
    """Count what was seen, and say what it amounts to; None where these terms are not the ones that
    the rollout began with, or nobody has the new revision yet.

    Args:
        terms: what the spec asks for now.
        policy: `spec.rollout`.
        status: the rollout as it was.
        stored: the live ConfigMap with the checkpoint. One of another rollout or plan, or that this
            operator cannot read, is as none: everything is counted again from the logs.
        seen: what the gateways saw, of any log and from wherever; what counts already is left out.
        now: the time.
        told: what Prometheus said.
    """
    if terms.plan is None or not is_open(status, terms):
        return None
    from controllers.delivery import view

    overdue = _overdue(policy, status, now)
    beside = (terms.queries, told or Told()) if terms.queries else None
    said, known = weigh(terms.plan, status.salt, stored, seen, now, overdue, beside)
    shown = [
        Judged.model_validate({"name": reading.name, **view.shown(reading)})
        for reading in said.metrics
    ]
    return Judgement(
        RolloutVerdict(
            kind=said.kind.value,
            pairs=said.blocks,
            message=clip(said.message, 512),
            digest=known.digest,
            metrics=shown,
        ),
        known,
    )


def weigh(
    plan: AnalysisPlan,
    salt: str,
    stored: Object | None,
    seen: Sequence[Observations],
    now: datetime,
    overdue: bool,
    beside: tuple[Queries, Told] | None = None,
) -> "tuple[Verdict, Known]":
    """Count what was seen of a rollout or an experiment, and look at all of it. See `judge`;
    ``overdue`` is whether proof was awaited long enough, ``beside`` what Prometheus was asked and
    said."""
    from controllers.delivery import checkpoint, evidence, verdict

    counted = counted_before(plan, salt, stored)

    def records() -> Iterable[evidence.Assigned | evidence.Outcome | evidence.Shadowed]:
        for told in sorted(seen, key=lambda each: each.log):
            for each in told.observations if told.rollout == salt else ():
                if each.arm == "Shadow":
                    yield evidence.Shadowed(told.log, each.sequence, each.values)
                elif each.kind == "Assigned":
                    yield evidence.Assigned(told.log, each.sequence, each.arm)
                else:
                    yield evidence.Outcome(told.log, each.sequence, each.arm, each.values)

    counted = evidence.feed(counted, plan, records())
    counted = replace(counted, cursor=passed(counted.cursor, seen, salt))
    text = checkpoint.dump(counted, plan)
    said, windows = verdict.look(counted, plan, deadline_passed=overdue), None
    if beside:
        windows, by_window = _by_window(*beside, salt, stored, overdue)
        said = verdict.both(said, by_window)
    past = past_of(stored, salt, whole(plan, beside[0] if beside else None))
    if (text, windows) != (text_of(stored, salt), text_of(stored, salt, WINDOWS_KEY)):
        past = history.with_look(past, history.look_of(counted, said, now))
    return said, Known(salt, text, past, windows=windows)


def _by_window(
    queries: Queries, told: Told, salt: str, stored: Object | None, overdue: bool
) -> "tuple[str, Verdict]":
    """The checkpoint of what Prometheus said up to now, and the verdict on it."""
    from controllers.delivery import checkpoint, evidence, verdict

    counted = counted_before(queries.plan, salt, stored, WINDOWS_KEY)
    last = counted.cursor.get(LOG, -1)
    for window in told.windows:
        if window.number > last:
            counted = evidence.with_pair(counted, queries.plan, window.canary, window.baseline)
    if told.windows or told.more:
        counted = replace(counted, cursor={LOG: max(last, told.through)})
    said = verdict.look(counted, queries.plan, deadline_passed=overdue, unit=verdict.WINDOWS)
    if told.trouble:
        said = replace(said, message=f"{said.message}; {told.trouble}")
    return checkpoint.dump(counted, queries.plan), said


def opening(terms: Terms, status: RolloutStatus | None, stored: Object | None) -> Known | None:
    """What a rollout begins with, to be written while nobody is told by the new revision yet: if
    there is no room for it in the cluster, nobody shall be. None where nothing begins."""
    if terms.plan is None or status is None or status.phase not in UNDER_WAY:
        return None
    return begun(terms.plan, status.salt, stored, terms.queries)


def begun(
    plan: AnalysisPlan, salt: str, stored: Object | None, queries: Queries | None = None
) -> Known:
    """What counts already, or a beginning."""
    from controllers.delivery import checkpoint

    def text(plan: AnalysisPlan, key: str) -> str:
        return checkpoint.dump(counted_before(plan, salt, stored, key), plan)

    windows = text(queries.plan, WINDOWS_KEY) if queries else None
    past = past_of(stored, salt, whole(plan, queries))
    return Known(salt, text(plan, CHECKPOINT_KEY), past, windows=windows)


def passed(cursor: Mapping[str, int], seen: Sequence[Observations], salt: str) -> Mapping[str, int]:
    """The cursor beyond what a gateway looked through in vain, where that has it tell more. Else it
    stays: decisions alone are no reason to write a checkpoint."""
    passed = dict(cursor)
    for told in seen:
        if told.rollout == salt and (told.observations or told.more):
            passed[told.log] = max(told.through, passed.get(told.log, -1))
    return passed


def counted_before(
    plan: AnalysisPlan, salt: str, stored: Object | None, key: str = CHECKPOINT_KEY
) -> "Evidence":
    """What the checkpoint holds, if it is one of this rollout and plan; else nothing."""
    from controllers.delivery import checkpoint, evidence

    try:
        return checkpoint.load(text_of(stored, salt, key) or "", plan)
    except checkpoint.CheckpointError:
        return evidence.start(plan)


def _overdue(policy: Rollout, status: RolloutStatus, now: datetime) -> bool:
    """Whether proof was awaited long enough. Time stands still while it is paused."""
    if status.step < len(policy.steps) or status.step_started_at is None:
        return False
    minutes = policy.steps[-1].pause_minutes or 0
    patience = (policy.analysis or Analysis()).deadline_minutes
    return pace.is_over(status.step_started_at, minutes + patience, status.paused_at, now)
