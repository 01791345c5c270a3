"""What a person asks of a rollout: it is carried out or refused, once, and never lingers."""

from controllers.conditions import Said, timestamp
from controllers.ensemble.revision import digest
from controllers.ensemble.rollout import beginning, handover, steps
from controllers.ensemble.rollout.phases import UNDER_WAY, names, new_of, old_of
from controllers.ensemble.rollout.turn import RefusedError, Turn
from controllers.ensemble.rollout.wording import WITHOUT_PROOF, soon
from crds.rollout import RevisionChange, RolloutStatus

#: What a person says so that it goes on, which holds in a freeze too.
ONWARD = {"Promote", "SkipStep", "Resume", "Retry"}


def obey(turn: Turn, action: str) -> Said:
    """Do what a person asks, or say why not. It is done in a freeze too, and says so."""
    frozen = turn.frozen
    if action in ONWARD:
        turn.frozen = None
    try:
        done = _act(turn, action)
    except RefusedError as refusal:
        turn.frozen = frozen
        return Said("Refused", str(refusal))
    inside = f", though {frozen.words}" if frozen and turn.frozen is None else ""
    return Said("Done", f"{done}{inside}")


def _act(turn: Turn, action: str) -> str:
    if action == "Retry":
        return _retry(turn)
    if action == "ReturnTo":
        return _return_to(turn, turn.around.to)
    if action == "Anchor":
        turn.unfit, turn.anchored = {}, True
        return "what promotions may cost is counted from how the members are today"
    status = turn.status
    if status is None:
        raise RefusedError("there was no rollout yet; change a member and one begins")
    if action == "Undo":
        return _undo(turn, status)
    if status.phase not in UNDER_WAY:
        raise RefusedError(f"no rollout is under way: {status.message}")
    if action == "Abort":
        turn.hold_back(status)
        old = names(old_of(status))
        turn.finish("Aborted", f"a person sent {names(new_of(status))} back")
        return f"everyone is told by {old} again"
    if status.phase == "Promoting":
        raise RefusedError(f"{status.message}; Abort sends it back")
    if action == "Pause":
        paused_at = status.paused_at or timestamp(turn.now)
        turn.set(status, phase="Paused", paused_at=paused_at, until=None)
        return "it stays where it is until Resume"
    if action == "Resume" and status.paused_at is not None:
        if status.verdict and status.verdict.kind == "Inconclusive":
            raise RefusedError(f"{status.verdict.message}; {WITHOUT_PROOF}")
        turn.set(status, paused_at=None, step_started_at=steps.begun_later(turn, status))
        return "it goes on"
    if action == "Promote":
        unproven = "" if turn.proven(status) else ", without proof"
        steps.must_answer(turn, status)
        handover.promote(turn, status)
        soon = "will be" if turn.phase == "Promoting" else "is"
        return f"everyone {soon} told by {names(new_of(status))}{unproven}"
    if action == "Resume" and status.phase != "Paused":
        raise RefusedError("it is not paused; SkipStep goes on to the next step")
    if status.step == 0:
        if action == "SkipStep" and turn.fits(status, 1) and steps.answered(turn, status):
            steps.enter(turn, status, 1)
            return "it begins"
        raise RefusedError(f"no step has begun: {status.message}")
    steps.go_to_the_next(turn, status)
    return "it goes on"


def _retry(turn: Turn) -> str:
    status = turn.status
    first = [status.member] if status else []
    member = next((name for name in [*first, *turn.lines] if name in turn.held), None)
    if member is None:
        raise RefusedError("nothing was sent back; change a member and a rollout begins")
    del turn.held[member]
    return f"{member} is rolled out again, one member at a time"


def _undo(turn: Turn, status: RolloutStatus) -> str:
    old = names(old_of(status))
    if status.phase in UNDER_WAY:
        raise RefusedError("it is still under way; Abort sends everyone back")
    if status.phase == "Returning":
        raise RefusedError(f"that was asked for already: {status.message}")
    if status.phase != "Promoted" or status.member not in turn.lines:
        raise RefusedError(
            f"{old} is not kept warm ({status.phase}); give {status.member} its old spec, and "
            "it is rolled out, or ReturnTo starts it again"
        )
    turn.hold_back(status)
    handover.go_back(turn)
    if turn.phase == "Undone":
        return f"everyone is told by {old} again"
    return f"everyone is told by {old} again {soon(status)}"


def _return_to(turn: Turn, to: str | None) -> str:
    """Everyone gets a stored revision again, and keeps it until the member changes: what was
    sent back is what the spec asks for."""
    status = turn.status
    found = [(line, way) for line in turn.lines.values() for way in line.returnable]
    if not found:
        raise RefusedError(
            f"{to} is not stored, or its model or key is not there any more; fabula rollout "
            "history shows what is stored"
        )
    ((line, way),) = found
    had = line.stable[way]
    mine = status is not None and (status.member, status.phase) == (line.name, "Promoted")
    if status and turn.busy and not mine:
        raise RefusedError(f"the rollout of {status.member} comes first: {status.message}")
    if status and mine and old_of(status) == {way: to}:
        return _undo(turn, status)
    if to in (had, line.wanted[way]) or to is None:
        told = "everyone has it" if to == had else "the spec asks for it; Retry rolls it out"
        raise RefusedError(f"{to} needs no return: {told}")
    if turn.policy.surge == 0 and line.at(way, had).desired == 1:
        raise RefusedError(
            f"surge 0 takes its place from {had}, and {line.name} has one replica; set surge to 1"
        )
    beginning.begin(turn, line, [RevisionChange(name=way, stable=to, canary=had)])
    stable = {**line.stable, way: to}
    turn.held[line.name] = digest(
        {each: rev for each, rev in line.wanted.items() if rev != stable[each]}
    )
    handover.go_back(turn)
    return f"everyone is told by {names({way: to})} again as soon as it is ready"
