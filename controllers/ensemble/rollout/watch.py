"""What became of what was promoted: within the rollback window some sessions are watched on, and
held against what promotion promised. What follows from it is `decide`'s.

The promise follows from the checkpoint of the rollout, which stays as it was at promotion, so that
the watch can be computed again from there and from the logs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeGuard

from controllers.conditions import clip
from controllers.delivery.plan import AnalysisPlan
from controllers.ensemble.rollout import analysis, record
from controllers.ensemble.rollout.record import Known
from controllers.ensemble.rollout.terms import Terms
from controllers.plan import Object
from crds.observations import Observations
from crds.rollout import Rollout, RolloutStatus, RolloutWatch

if TYPE_CHECKING:
    from controllers.delivery.evidence import Outcome
    from controllers.delivery.watch import Watch


@dataclass(frozen=True)
class Sight:
    """One look, and what it follows from; nothing where nothing is watched."""

    watch: RolloutWatch
    known: Known | None = None


def is_on(status: RolloutStatus | None, terms: Terms) -> TypeGuard[RolloutStatus]:
    """Whether sessions of what was promoted are held against what promotion promised. What has
    drifted has: there is no more to be found."""
    return (
        terms.plan is not None
        and status is not None
        and status.phase == "Promoted"
        and status.proven
        and status.plan == terms.digest
        and not (status.watch and status.watch.drifted)
    )


def cursor(terms: Terms, status: RolloutStatus, stored: Object | None) -> Mapping[str, int]:
    """The last entry of each log that counts already."""
    seen = _seen(terms.plan, status.salt, stored) if terms.plan else None
    return seen.cursor if seen else {}


def look(
    terms: Terms,
    policy: Rollout,
    status: RolloutStatus,
    stored: Object | None,
    seen: Sequence[Observations],
) -> Sight | None:
    """Count what was seen, and say what it amounts to; None where nothing was promoted that was
    judged, or where it has drifted already.

    Args:
        terms: what the spec asks for now.
        policy: `spec.rollout`.
        status: the rollout as it was.
        stored: the live ConfigMap with the checkpoint.
        seen: what the gateways saw; what counts already is left out.
    """
    if status.phase != "Promoted" or not status.plan or (status.watch and status.watch.drifted):
        return None
    if not status.proven:
        return _blind("nothing was proven, so nothing was promised")
    if terms.plan is None or not is_on(status, terms):
        return _blind("what it was judged by is not what the spec asks for now")
    plan, counted = terms.plan, _seen(terms.plan, status.salt, stored)
    if counted is None:
        return _blind("the checkpoint with what promotion promised is gone, or cannot be read")
    from controllers.delivery import checkpoint, watch

    counted = watch.feed(counted, plan, _outcomes(seen, status.watch_salt))
    through = analysis.passed(counted.cursor, seen, status.watch_salt)
    text = checkpoint.dump_watch(replace(counted, cursor=through), plan)
    share = min(100, 2 * policy.steps[-1].traffic_percent)
    told = RolloutWatch(
        traffic_percent=0 if counted.drifted else share,
        observations=_rounded(counted.sessions),
        drifted=list(counted.drifted),
        message=clip(_words(counted, plan, share), 512),
    )
    return Sight(told, replace(record.read(stored, status.salt), watch=text))


def _seen(plan: AnalysisPlan, salt: str, stored: Object | None) -> "Watch | None":
    """The watch as it was, or at its beginning; None where it is not known what was promised."""
    from controllers.delivery import checkpoint, watch

    known = record.read(stored, salt)
    try:
        evidence = checkpoint.load(known.checkpoint or "", plan)
    except checkpoint.CheckpointError:
        return None
    try:
        return checkpoint.load_watch(known.watch or "", plan)
    except checkpoint.CheckpointError:
        return watch.begin(evidence, plan)


def _outcomes(seen: Sequence[Observations], salt: str) -> Iterable["Outcome"]:
    from controllers.delivery.evidence import Outcome

    for told in sorted(seen, key=lambda each: each.log):
        for each in told.observations if told.rollout == salt else ():
            if each.kind == "Outcome" and each.arm == "Promoted":
                yield Outcome(told.log, each.sequence, each.arm, each.values)


def _blind(why: str) -> Sight:
    return Sight(RolloutWatch(message=f"nobody is watched: {why}"))


def _words(counted: "Watch", plan: AnalysisPlan, share: int) -> str:
    if counted.drifted:
        promises = zip(plan.metrics, counted.promised, strict=True)
        told = "; ".join(
            f"{metric.name} is worse than the {metric.value(promise):.4g} that promotion promised"
            for metric, promise in promises
            if metric.name in counted.drifted and promise is not None
        )
        return f"{told}, as was found after {counted.drifted_at} sessions"
    number = _rounded(counted.sessions)
    about = f"about {number} sessions" if number > 9 else f"{number or 'no'} sessions yet"
    return f"{share} % of new sessions are watched, and no drift is found in {about}"


def _rounded(number: int) -> int:
    """To one digit, downwards, so that a status does not change with every session."""
    step: int = 10 ** max(0, len(str(number)) - 1)
    return number // step * step
