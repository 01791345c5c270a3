"""How a rollout begins, and what keeps it from that."""

from controllers.conditions import timestamp
from controllers.ensemble.revision import digest
from controllers.ensemble.rollout.lines import Line
from controllers.ensemble.rollout.phases import names
from controllers.ensemble.rollout.turn import Turn
from crds.ensemble import FULL
from crds.rollout import RevisionChange, RolloutStatus


def begin(turn: Turn, line: Line, changes: list[RevisionChange] | None = None) -> None:
    """A rollout of these changes; without any, of what is pending."""
    turn.number += 1
    changes = changes or [
        RevisionChange(name=way, stable=line.stable[way], canary=rev)
        for way, rev in sorted(line.pending.items())
    ]
    turn.held.pop(line.name, None)
    turn.status = RolloutStatus(
        number=turn.number,
        member=line.name,
        revisions=changes,
        phase="Starting",
        progress="",
        message="",
        salt=digest([turn.uid, turn.number, line.name, dict(line.pending)]),
        started_at=timestamp(turn.now),
        plan=turn.terms.digest,
    )


def hindered(turn: Turn, line: Line) -> str | None:
    """Why no rollout of what is pending may begin."""
    if line.name in turn.unfit:
        return turn.unfit[line.name]
    if turn.frozen:
        return f"{names(line.pending)} waits: {turn.frozen.words}"
    return crowded(turn, line)


def crowded(turn: Turn, line: Line) -> str | None:
    """Why there is no place for what is pending."""
    way = line.alone if turn.policy.surge == 0 else None
    if way is None:
        return None
    whose = line.name if way == FULL else f"{line.name}/{way}"
    return (
        f"{names(line.pending)} is not rolled out: spec.rollout.surge 0 takes its place from "
        f"the old revision, and {whose} has one replica; raise its scaling.minReplicas to 2, "
        "or set surge to 1"
    )


def waiting_for_margin(turn: Turn) -> list[Line]:
    """Members that changed, and whose rollout does not begin."""
    return [
        line
        for line in turn.lines.values()
        if line.pending and line.name in turn.unfit and line.name not in turn.held
    ]
