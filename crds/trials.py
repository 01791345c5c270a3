"""What gateways and the configuration service are told of an experiment that is under way.

Both draw the arm of a session or a player from the same words, so that what a game reads at
``/v1/config`` and what a gateway counts are about the same arm, and neither asks the other.
"""

from typing import Annotated, Literal

from pydantic import Field

from crds.base import Model


class Trial(Model):
    """One experiment of a World, as it is now.

    A unit is in the canary if its draw is below ``percent``, in the baseline of the same size if it
    is above ``100 - percent``, and in neither else; of the holdout it is never in the canary.
    """

    experiment: str
    #: What units are drawn with, and what their observations are asked for by.
    salt: str
    unit: Literal["Session", "Player"] = "Session"
    #: Share of the units for each of the two arms.
    percent: Annotated[int, Field(ge=0, le=50)]
    #: Texts of tunables in the canary, by name.
    tunables: dict[str, str] = {}
    #: Units of these cohorts are in no arm.
    exclude: list[str] = []
    #: How long a unit is watched from its beginning, in seconds.
    watched_seconds: Annotated[int, Field(ge=1)]
