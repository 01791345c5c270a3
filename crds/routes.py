"""The route table: what the operator tells every gateway of an ensemble, in one ConfigMap."""

from typing import Annotated, Literal

from pydantic import Field

from crds.base import MemberName, Model
from crds.engines import EngineKind, Price
from crds.ensemble import Sampling

ROUTES_KEY = "routes.json"


class Route(Model):
    """How to ask one member, at the revision that serves."""

    member: str
    revision: str
    weight: Annotated[int, Field(ge=0)]
    engine: EngineKind
    model: Annotated[str, Field(description="The name to ask for.")]
    #: Base of the member's API, without ``/v1``; absent: the provider's own address.
    url: str | None = None
    #: File with the API key, for hosted engines.
    key_file: str | None = None
    #: The Secret that the file comes from, so that a gateway can say what is missing.
    key_secret: str | None = None
    role: str | None = None
    sampling: Sampling = Sampling()
    timeout_seconds: Annotated[int, Field(ge=1)]
    #: Tokens of prompt and answer together that surely fit; absent: as the model list says.
    context_tokens: int | None = None
    #: Absent: as the model list says.
    price: Price | None = None


class RouteTable(Model):
    """The members of an ensemble and how they agree. ``generation`` is the ensemble's."""

    schema_version: Literal[1] = 1
    ensemble: str
    generation: int
    #: A gateway that has learned weights on its volume can count by them, with LogOdds. No ensemble
    #: may ask for that before outcomes can be reported.
    method: Literal["WeightedVote", "LogOdds", "Judge", "Fuse", "First"] = "WeightedVote"
    #: Who picks or writes, with Judge and Fuse.
    judge: MemberName | None = None
    prose: Literal["Heaviest", "Cluster"] = "Heaviest"
    #: A decision as a whole waits no longer than this.
    timeout_seconds: Annotated[int, Field(ge=1)]
    minimum_votes: Annotated[int, Field(ge=1)]
    when_no_quorum: Literal["BestMember", "Fallback"]
    minimum_confidence_percent: Annotated[int, Field(ge=0, le=100)] = 0
    routes: list[Route]
