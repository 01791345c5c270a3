"""What gateways and the configuration service are told of an experiment that is under way.

Both get the same words. A gateway draws the arms of a session that begins and says them in its id,
so that what a game reads at ``/v1/config`` and what a gateway counts are about the same arm, and
neither asks the other.
"""

from typing import Annotated, Literal

from pydantic import Field

from crds.base import Model
from crds.templates import TemplateName


class Trial(Model):
    """One experiment of a World, as it is now.

    Sessions that begin are in the canary if their unit's draw is below ``percent``, in the baseline
    of the same size if it is ``100 - percent`` or above, and in neither else.
    """

    experiment: str
    #: What units are drawn with, and what their observations are asked for by.
    salt: str
    #: What is drawn, and has one outcome. All sessions of a player are in the player's arm.
    unit: Literal["Session", "Player"] = "Session"
    #: Cohorts that are in neither arm.
    exclude: list[str] = []
    #: Share of the units for each of the two arms. It may grow; a player who is drawn again leaves
    #: his arm if it shrinks.
    percent: Annotated[int, Field(ge=0, le=50)]
    #: Texts of tunables in the canary, by name.
    tunables: dict[str, str] = {}
    #: Digests of the templates that members are told by in the canary.
    prompts: dict[TemplateName, str] = {}
    #: How long a session is watched from its beginning, in seconds.
    watched_seconds: Annotated[int, Field(ge=1)]
