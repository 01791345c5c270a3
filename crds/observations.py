"""What a gateway has seen of the sessions of a rollout or experiment, for the operator to judge.

Gateways append it to their log and are asked for it from a cursor on, so that a killed one, a
record that is read twice or one that comes late changes no verdict.
"""

from typing import Annotated, Literal

from pydantic import Field

from crds.base import Model

#: Whether any call of the member failed: 0 or 1.
MEMBER_ERRORS = "member-errors"
#: Share of the member's calls that took longer than ``Split.slow_above_ms``, 0 to 1. A call that
#: was cut off before that is not counted.
MEMBER_SLOW = "member-slow"
#: Whether any decision of the session was a declared fallback: 0 or 1.
FALLBACKS = "fallbacks"
#: Over the questions that were asked in the shadow too: the share in which the judge preferred the
#: new answer, the same answer counted as half of one. Of sessions in the shadow alone.
JUDGE_PREFERENCE = "judge-preference"
#: Whether any decision of the session waited for a member until that one's time was over: 0 or 1.
DEADLINE_MISSES = "deadline-misses"
BUILT_IN = (MEMBER_ERRORS, MEMBER_SLOW, FALLBACKS, DEADLINE_MISSES, JUDGE_PREFERENCE)


class Observation(Model):
    """One entry of the log that is about the rollout."""

    #: Its number in that log.
    sequence: Annotated[int, Field(ge=0)]
    #: ``Assigned``: the session was given to an arm when it began. ``Outcome``: its window is over,
    #: and this is what it came to; whatever comes later does not count.
    kind: Literal["Assigned", "Outcome"]
    #: ``Shadow``: in neither; the new revision was asked what the old one had answered.
    #: ``Promoted``: it began within the rollback window, when everyone had the new revision.
    arm: Literal["Canary", "Baseline", "Shadow", "Promoted"]
    #: By metric, in its unit; left out where it is unknown. Of an ``Outcome`` only.
    values: dict[str, float] = {}


class Observations(Model):
    """The answer to ``GET /v1/observations?rollout=SALT&after=SEQUENCE``."""

    schema_version: Literal[1] = 1
    #: Which log: it changes if the volume is another one.
    log: str
    rollout: str
    observations: list[Observation]
    #: Every entry up to this one was looked at: ask ``after`` it the next time.
    through: int
    #: Whether there is more to ask for now.
    more: bool
