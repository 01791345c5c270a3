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
from controllers.conditions import clip, timestamp
from controllers.delivery import history
from controllers.delivery.plan import AnalysisPlan
from controllers.delivery.windows import LOG, Queries, Told, whole
from controllers.ensemble.rollout.decide import UNDER_WAY
from controllers.ensemble.rollout.terms import Terms
from controllers.plan import Object
from controllers.pods import child
from crds.common import LastRequest
from crds.experiment import EvolutionExperimentStatus
from crds.history import HISTORY_KEY, History
from crds.observations import Observations
from crds.rollout import Analysis, Judged, Rollout, RolloutStatus, RolloutVerdict

if TYPE_CHECKING:
    from controllers.delivery.evidence import Evidence
    from controllers.delivery.verdict import Verdict

#: What is judged.
Tried = RolloutStatus | EvolutionExperimentStatus

CHECKPOINT_KEY = "checkpoint.json"
WATCH_KEY = "watch.json"
WINDOWS_KEY = "windows.json"
SALT_KEY = "rollout"


@dataclass(frozen=True)
class Known:
    """All that is known of a rollout: of its sessions, where they are judged, and how it went."""

    salt: str
    checkpoint: str | None
    history: History
    #: What was seen since promotion.
    watch: str | None = None
    #: The checkpoint of what Prometheus said, where it is asked.
    windows: str | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of the checkpoints, one after the other."""
        from controllers.delivery import checkpoint

        return checkpoint.digest((self.checkpoint or "") + (self.windows or ""))


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
    past = _history(stored, salt, whole(plan, beside[0] if beside else None))
    if (text, windows) != (_text(stored, salt), _text(stored, salt, WINDOWS_KEY)):
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
    past = _history(stored, salt, whole(plan, queries))
    return Known(salt, text(plan, CHECKPOINT_KEY), past, windows=windows)


def standing(status: Tried | None, stored: Object | None) -> Known | None:
    """What is known of a rollout or an experiment of which nothing is counted now, so that its log
    can go on; None where it is over and nothing was kept."""
    if status is None or status.salt is None:
        return None
    known = read(stored, status.salt)
    return known if status.phase in UNDER_WAY or known.history.log else None


def logged(known: Known, status: Tried | None, asked: LastRequest | None, now: datetime) -> Known:
    """The same with what a person asked last, the verdict and the phase in its log, where they are
    not what it said last.

    Args:
        known: what is to be written.
        status: the rollout or experiment as it becomes. One with another salt has another log.
        asked: what a person asked last, and what became of it.
        now: the time.
    """
    if status is None or status.salt != known.salt:
        return known
    past, at, verdict, message = known.history, timestamp(now), status.verdict, status.message or ""
    if asked and asked.action != "Reconcile" and asked.at >= (status.started_at or ""):
        words = f"{asked.action}: {asked.outcome.lower()}, {asked.message}"
        past = history.with_entry(past, asked.at, "Request", asked.id, words)
    if verdict:
        message = message.replace(f"; {verdict.message}", "").replace(f"{verdict.message}; ", "")
    if verdict and (verdict.kind != "Undecided" or any(e.kind == "Verdict" for e in past.log)):
        past = history.with_entry(past, at, "Verdict", verdict.kind, verdict.message)
    percent = status.traffic_percent
    mark = f"{status.phase} {status.step} {percent}"
    if isinstance(status, RolloutStatus) and status.watch and status.watch.drifted:
        mark += " drifted"
    return replace(known, history=history.with_entry(past, at, "Phase", mark, message, percent))


def config_map(
    name: str, namespace: str, known: Known, labels: Object, owners: list[Object]
) -> Object:
    """The ConfigMap with the checkpoint and the history. It stays after the rollout: who has the
    logs can compute it again, and anybody can see how it went."""
    data = {SALT_KEY: known.salt, HISTORY_KEY: history.dump(known.history)}
    if known.checkpoint is not None:
        data[CHECKPOINT_KEY] = known.checkpoint
    if known.watch is not None:
        data[WATCH_KEY] = known.watch
    if known.windows is not None:
        data[WINDOWS_KEY] = known.windows
    return child(
        "v1",
        "ConfigMap",
        name,
        namespace,
        labels=labels,
        owners=owners,
        data=data,
    )


def read(stored: Object | None, salt: str) -> Known:
    """What is stored of a rollout, whether or not it can be understood."""
    checkpoint, watch, windows = (
        _text(stored, salt, key) for key in (CHECKPOINT_KEY, WATCH_KEY, WINDOWS_KEY)
    )
    return Known(salt, checkpoint, _history(stored, salt), watch, windows)


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
        return checkpoint.load(_text(stored, salt, key) or "", plan)
    except checkpoint.CheckpointError:
        return evidence.start(plan)


def _history(stored: Object | None, salt: str, plan: AnalysisPlan | None = None) -> History:
    past = history.parse(_text(stored, salt, HISTORY_KEY))
    return past.model_copy(update={"criteria": history.criteria(plan)}) if plan else past


def _text(stored: Object | None, salt: str, key: str = CHECKPOINT_KEY) -> str | None:
    data = (stored or {}).get("data") or {}
    return data.get(key) if data.get(SALT_KEY) == salt else None


def _overdue(policy: Rollout, status: RolloutStatus, now: datetime) -> bool:
    """Whether proof was awaited long enough. Time stands still while it is paused."""
    if status.step < len(policy.steps) or status.step_started_at is None:
        return False
    minutes = policy.steps[-1].pause_minutes or 0
    patience = (policy.analysis or Analysis()).deadline_minutes
    return pace.is_over(status.step_started_at, minutes + patience, status.paused_at, now)
