"""Which arm of a rollout a session is in.

It is drawn when the session begins, by a hash of its id with the rollout's own salt, and kept with
the session: steps change it for newcomers alone, and neither a restart nor another gateway changes
it at all. When the rollout ends, its salt is nobody's any more, and everyone is in no arm. Since
each rollout has another salt, who was in the last canary says nothing about the next.

Testers are not drawn: they are told by what is tried out because the rollout names them.
"""

from hashlib import sha256
from typing import Any, cast

from crds.routes import RouteTable, Split
from runtime.audit.record import Arm


def arm_of(unit: str, split: Split) -> Arm:
    """The arm of a session, or of whatever else is told apart, if it begins now.

    The canary grows from one end and the baseline from the other, so that a unit that is drawn
    again and again, as a player without sessions, does not leave its arm as they grow.
    """
    drawn = _drawn(split.salt, unit)
    if drawn < split.percent:
        return "Canary"
    return "Baseline" if drawn >= 100 - split.percent else "Rest"


def assigned(
    unit: str,
    table: RouteTable | None,
    tester: str | None = None,
    player: str | None = None,
    *,
    shadow: bool = False,
) -> str | None:
    """What is kept of the draw; None where nothing is tried out.

    Args:
        unit: who is drawn.
        table: what is tried out.
        tester: what whoever asks says to be.
        player: who plays.
        shadow: whether its questions may be asked in the shadow too.
    """
    split = table.split if table else None
    if split is None:
        return None
    if tester in split.testers or player in split.players:
        return f"{split.salt}:Tester"
    arm = arm_of(unit, split)
    if arm == "Rest" and shadow and split.shadow:
        # Another draw, so that the rest is the same whichever part of it the arms leave.
        drawn = _drawn(f"{split.salt}/shadow", unit)
        arm = "Shadow" if drawn < split.shadow.percent else "Rest"
    return f"{split.salt}:{arm}"


def arm_in(kept: str | None, table: RouteTable | None) -> Arm | None:
    """The arm that was kept, in the rollout that is under way; None: in none of it."""
    if kept is None or table is None or table.split is None:
        return None
    salt, _, arm = kept.partition(":")
    return cast("Arm", arm) if salt == table.split.salt else None


def in_canary(kept: str | None, table: RouteTable | None) -> bool:
    """Whether it is told by what is tried out."""
    return arm_in(kept, table) in ("Canary", "Tester")


def recorded(kept: str | None, table: RouteTable | None) -> dict[str, Any]:
    """What a record says: the rollout that is under way and the arm in it, if it has one."""
    arm = arm_in(kept, table)
    return {} if arm is None or kept is None else {"rollout": kept.partition(":")[0], "arm": arm}


def _drawn(salt: str, unit: str) -> int:
    """From 0 to 99, each as likely."""
    return int.from_bytes(sha256(f"{salt}/{unit}".encode()).digest()[:8]) * 100 >> 64
