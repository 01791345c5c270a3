"""Which arm of a rollout a session is in.

It is drawn when the session begins and kept with it: steps change it for newcomers alone, and
neither a restart nor another gateway changes it at all. When the rollout ends, its salt is nobody's
any more, and everyone is in no arm. What experiments draw is in ``runtime.arms``.

Testers are not drawn: they are told by what is tried out because the rollout names them.
"""

from collections.abc import Collection, Sequence
from typing import Any, cast

from crds.gateway import GatewayConfig
from crds.routes import RouteTable
from crds.trials import Trial
from runtime.arms import arms_of, drawn, place
from runtime.audit.record import Arm, Enrolled


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
    if split.promoted_percent is not None:
        watched = place(unit, split.salt) < split.promoted_percent
        return f"{split.salt}:{'Promoted' if watched else 'Rest'}"
    arm: Arm = drawn(unit, split.salt, split.percent)
    if arm == "Rest" and shadow and split.shadow:
        # Another draw, so that the rest is the same whichever part of it the arms leave.
        at = place(unit, f"{split.salt}/shadow")
        arm = "Shadow" if at < split.shadow.percent else "Rest"
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


def open_to(
    cohorts: Collection[str] | None, trials: Sequence[Trial], declared: Collection[str]
) -> list[Trial]:
    """The experiments that a session may be drawn into.

    Args:
        cohorts: what the game says of it. Of whom it says nothing, or what the World does not know,
            may be anybody: who leaves anyone out leaves them out.
        trials: the experiments that are under way.
        declared: the cohorts that the World knows.
    """
    known = cohorts is not None and set(cohorts) <= set(declared)
    return [
        each
        for each in trials
        if not each.exclude or (known and not set(each.exclude) & set(cohorts or ()))
    ]


def told_by(session: str, config: GatewayConfig) -> GatewayConfig:
    """The configuration for a session: with the templates of the canaries that it is in."""
    tried = {
        name: each.text
        for trial, arm in (arms_of(session, config.trials) if config.tried else ())
        if arm == "Canary"
        for name, digest in trial.prompts.items()
        for each in config.tried
        if (each.name, each.digest) == (name, digest)
    }
    return config.model_copy(update={"prompts": config.prompts | tried}) if tried else config


def enrolled(session: str, trials: Sequence[Trial]) -> list[Enrolled] | None:
    """What a record says: the experiments that are under way and have the session in an arm."""
    found = [
        Enrolled(experiment=trial.experiment, rollout=trial.salt, arm=arm)
        for trial, arm in (arms_of(session, trials) if trials else ())
    ]
    return found or None
