"""Conditions after kstatus: Ready, Reconciling, Stalled, with times that move only when they do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from controllers.plan import Conflicts, Event
from crds.common import LEAVE_SESSIONS, Condition, LastRequest, Request, Status


@dataclass(frozen=True)
class Verdict:
    """What to say about an object.

    ``stalled`` means that a person has to change something; ``reconciling`` that work is under
    way or that something is awaited.
    """

    ready: bool
    reason: str
    message: str
    reconciling: bool = False
    stalled: bool = False


def timestamp(now: datetime) -> str:
    """RFC 3339 in UTC, to the second."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def conditions(
    verdict: Verdict, old: Sequence[Condition], generation: int, now: datetime
) -> list[Condition]:
    """The three conditions. `lastTransitionTime` is kept where the status did not change."""
    known = {condition.type: condition for condition in old}
    stated = (
        ("Ready", verdict.ready),
        ("Reconciling", verdict.reconciling),
        ("Stalled", verdict.stalled),
    )
    out = []
    for kind, holds in stated:
        status: Literal["True", "False"] = "True" if holds else "False"
        before = known.get(kind)
        since = (
            before.last_transition_time if before and before.status == status else timestamp(now)
        )
        speaks = kind == "Ready" or holds
        out.append(
            Condition(
                type=kind,
                status=status,
                reason=verdict.reason if speaks else f"Not{kind}",
                message=clip(verdict.message, 1024) if speaks else "",
                last_transition_time=since,
                observed_generation=generation,
            )
        )
    return out


def clip(text: str, length: int) -> str:
    """At most so many characters, with a mark where something was cut."""
    return text if len(text) <= length else text[: length - 1] + "…"


def change_events(old: Status, new: Status) -> tuple[Event, ...]:
    """The Event of a Ready condition whose status or reason changed."""
    before = next((c for c in old.conditions if c.type == "Ready"), None)
    after = next((c for c in new.conditions if c.type == "Ready"), None)
    if after is None:
        return ()
    if before and (before.status, before.reason) == (after.status, after.reason):
        return ()
    calm = after.status == "True" or under_way(new)
    return (Event("Normal" if calm else "Warning", after.reason, after.message),)


def under_way(status: Status) -> bool:
    """Whether work goes on or something is awaited, as the object itself says."""
    return any(c.type == "Reconciling" and c.status == "True" for c in status.conditions)


def conflict(kind: str, conflicts: Conflicts) -> Verdict | None:
    """What to say of children that this object of ``kind`` may not touch, if there are any."""
    if conflicts.foreign:
        return Verdict(
            False,
            "ChildConflict",
            f"{', '.join(conflicts.foreign)} exists and is not of this {kind}; delete it, or give "
            f"the {kind} another name",
            stalled=True,
        )
    if conflicts.leaving:
        return Verdict(
            False,
            "WaitingForDeletion",
            f"waiting until {', '.join(conflicts.leaving)} of an earlier {kind} is gone",
            reconciling=True,
        )
    return None


@dataclass(frozen=True)
class Said:
    """What became of something that a person asked for."""

    outcome: Literal["Done", "Refused"] = "Done"
    message: str = "everything was looked at again"


def pending(status: Status) -> Request | None:
    """What a person asks for and was not told about yet."""
    asked, answered = status.request, status.last_request
    return None if asked is None or (answered and answered.id == asked.id) else asked


def answer(old: Status, now: datetime, said: Said | None = None) -> LastRequest | None:
    """The answer to `status.request`: the one that stands, or a new one to a new id.

    Args:
        old: the status as it is.
        now: the time.
        said: what became of the request, where it was more than to look again.
    """
    asked = pending(old)
    if asked is None:
        return old.last_request
    if said is None and asked.action == LEAVE_SESSIONS:
        said = Said("Refused", "there is no hot store here that was dropped and is used")
    said = said or Said()
    return LastRequest(
        action=asked.action,
        id=asked.id,
        outcome=said.outcome,
        message=clip(said.message, 1024),
        at=timestamp(now),
    )


def unanswered(status: Status) -> str | None:
    """The same, if it is more than to look again."""
    asked = pending(status)
    return None if asked is None or asked.action == "Reconcile" else asked.action
