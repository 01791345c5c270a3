"""The route table: what the operator tells every gateway of an ensemble, in one ConfigMap."""

from typing import Annotated, Any, Literal

from pydantic import Field

from crds.base import Decimal, MemberName, Model
from crds.engines import EngineKind, Price
from crds.ensemble import FULL, Sampling, Serving

ROUTES_KEY = "routes.json"


class Served(Model):
    """One way to ask a member: what answers, at the revision that serves."""

    variant: str = FULL
    revision: str
    engine: EngineKind
    model: Annotated[str, Field(description="The name to ask for.")]
    #: Base of its API, without ``/v1``; absent: the provider's own address.
    url: str | None = None
    #: File with the API key, for hosted engines.
    key_file: str | None = None
    #: The Secret that the file comes from, so that a gateway can say what is missing.
    key_secret: str | None = None
    role: str | None = None
    sampling: Sampling = Sampling()
    #: Tokens of prompt and answer together that surely fit; absent: as the model list says.
    context_tokens: int | None = None
    #: Absent: as the model list says.
    price: Price | None = None
    accuracy: Decimal = "1"
    relative_cost: Decimal = "1"

    def said(self) -> dict[str, Any]:
        """These fields, whatever else a route has."""
        return {name: getattr(self, name) for name in Served.model_fields}


class Route(Served):
    """How to ask one member, and in which other ways it could be asked."""

    member: str
    weight: Annotated[int, Field(ge=0)]
    timeout_seconds: Annotated[int, Field(ge=1)]
    variants: list[Served] = []

    @property
    def ways(self) -> list["Route"]:
        """Every way to ask it as a route of its own, the member itself first."""
        alone = self.model_copy(update={"variants": []})
        return [
            alone,
            *(alone.model_copy(update=way.said()) for way in self.variants),
        ]


class Shadowing(Model):
    """Who is asked again in the shadow, and who compares the answers."""

    #: Share of the sessions in neither arm.
    percent: Annotated[int, Field(ge=1, le=100)]
    judge: MemberName | None = None


class Split(Model):
    """How sessions are divided while a new revision of one member is tried out.

    A session belongs to an arm from its beginning to the end of the rollout. The ``canary`` arm is
    told by the new revision, the ``baseline`` of the same size by the old one, to be held against
    it; the rest is in neither. Testers are told by the new one, and counted nowhere. Of the rest
    some are asked again in the shadow. After promotion nobody is in any of these, and some are
    watched as before.
    """

    #: What sessions are drawn with. It is another one each rollout, and names it in records.
    salt: str
    member: str
    #: Share of the sessions that begin now, for each of the two arms.
    percent: Annotated[int, Field(ge=0, le=50)]
    #: How to ask the member in the canary, itself first. Empty: the new revision is not ready, and
    #: its sessions are told by the old one.
    canary: list[Served] = []
    #: How long a session is watched from its beginning, in seconds. Absent: not at all.
    watched_seconds: Annotated[int | None, Field(ge=1)] = None
    #: After so many seconds from its beginning what the game posts of it is final. Absent: when it
    #: is watched no longer.
    matures_seconds: Annotated[int | None, Field(ge=1)] = None
    #: A call of the member that takes longer is slow, in milliseconds. Absent: none is.
    slow_above_ms: Annotated[int | None, Field(ge=1)] = None
    #: Who is a tester: by the header that begins a session, and by its player.
    testers: list[str] = []
    players: list[str] = []
    shadow: Shadowing | None = None
    #: After promotion: everyone is told by the same revision, and this share of the sessions that
    #: begin now is watched for drift. Absent: something is still tried out.
    promoted_percent: Annotated[int | None, Field(ge=1, le=100)] = None


class RouteTable(Model):
    """The members of an ensemble and how they agree. ``generation`` is the ensemble's."""

    schema_version: Literal[1] = 1
    ensemble: str
    generation: int
    #: With LogOdds each gateway counts by the weights that it learned.
    method: Literal["WeightedVote", "LogOdds", "Judge", "Fuse", "First"] = "WeightedVote"
    #: Who picks or writes, with Judge and Fuse.
    judge: MemberName | None = None
    prose: Literal["Heaviest", "Cluster"] = "Heaviest"
    #: A decision as a whole waits no longer than this.
    timeout_seconds: Annotated[int, Field(ge=1)]
    minimum_votes: Annotated[int, Field(ge=1)]
    when_no_quorum: Literal["BestMember", "Fallback"]
    minimum_confidence_percent: Annotated[int, Field(ge=0, le=100)] = 0
    #: Which variant of a member to ask.
    serving: Serving = Serving()
    routes: list[Route]
    #: Absent: everyone is told by the same revisions.
    split: Split | None = None

    def canary(self) -> Route | None:
        """How to ask the member that is tried out, in the canary arm."""
        split = self.split
        if split is None or not split.canary:
            return None
        first, *others = split.canary
        whole = next((each for each in self.routes if each.member == split.member), None)
        return whole and whole.model_copy(update={**first.said(), "variants": others})
