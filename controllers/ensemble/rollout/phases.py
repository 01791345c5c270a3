"""The phases of a rollout, and what its status says of revisions."""

from controllers.ensemble.rollout.lines import Revisions
from crds.ensemble import FULL
from crds.rollout import RolloutStatus

#: While these last a rollout is under way.
UNDER_WAY = {"Starting", "Stepping", "Paused", "Promoting"}
#: While these last everyone has the new revision, and the next rollout waits.
AFTER = {"Promoted", "Returning"}
#: Verdicts after which nobody shall have the new revision.
SENT_BACK = {"Harm", "BrokenSplit"}


def new_of(status: RolloutStatus) -> dict[str, str]:
    """The new revisions, by variant."""
    return {change.name: change.canary for change in status.revisions}


def old_of(status: RolloutStatus) -> dict[str, str]:
    """The old revisions, by variant."""
    return {change.name: change.stable for change in status.revisions}


def names(revisions: Revisions) -> str:
    """What people call these revisions: the member's own by its name alone."""
    return ", ".join(
        rev if way == FULL else f"{way} {rev}" for way, rev in sorted(revisions.items())
    )
