"""What operator and gateway tell each other: the gateway's configuration and its report."""

from typing import Annotated, Literal

from pydantic import Field

from crds.base import Model
from crds.figures import Figures
from crds.limits import Budget, Limits, Spend
from crds.storyteller import Cache, Sessions, Voice
from crds.templates import TRIED_AT_ONCE, Template, TriedTemplate
from crds.trials import Trial

CONFIG_KEY = "gateway.json"
#: Where the Secret of a hosted member is mounted: ``KEYS_DIR/<member>/<key>``.
KEYS_DIR = "/var/run/fabula/keys"
#: Where the Secret with the API keys of games is mounted: ``API_KEYS_DIR/<id of the key>``.
API_KEYS_DIR = "/var/run/fabula/api-keys"
#: Where the address of the World's hot store is mounted: ``STORES_DIR/hot/<key>``.
STORES_DIR = "/var/run/fabula/stores"
#: Where the gateway's volume is mounted.
DATA_DIR = "/var/lib/fabula"
DEFAULT_PERSONA = (
    "You are the storyteller of a game. Speak plainly and briefly, in the world's own voice."
)
DEFAULT_FALLBACK = ("The story pauses for a breath.",)


class GatewayConfig(Model):
    """What the operator tells the gateways; ``generation`` is the Storyteller's."""

    storyteller: str
    namespace: str
    generation: int
    world: str | None = None
    title: str
    lore: str = ""
    persona: str = DEFAULT_PERSONA
    fallback_lines: Annotated[tuple[str, ...], Field(strict=False)] = DEFAULT_FALLBACK
    #: The folder and the Secret with the API keys; absent: none are asked for.
    api_keys_dir: str | None = None
    api_keys_secret: str | None = None
    cors_origins: Annotated[tuple[str, ...], Field(strict=False)] = ()
    limits: Limits = Limits()
    #: What the World allows.
    budget: Budget = Budget()
    #: Gateways that share what is limited.
    replicas: Annotated[int, Field(ge=1)] = 1
    sessions: Sessions = Sessions()
    #: Templates by name; one that is not there is the default.
    prompts: dict[str, str] = Field(default_factory=dict)
    cache: Cache | None = None
    #: The ConfigMap with the route table.
    routes_config_map: str
    #: Days that decisions are kept; absent: for ever.
    retention_days: Annotated[int | None, Field(ge=1)] = None
    #: The cohorts that the World knows.
    cohorts: list[str] = []
    #: The experiments of the World that are under way.
    trials: list[Trial] = []
    #: The templates that they try, or want to.
    tried: list[Template] = []


class StoreReport(Model):
    """Where this gateway keeps sessions, and whether it can."""

    kind: Literal["Embedded", "Redis"]
    #: Why it cannot; absent: it can.
    reason: Literal["MissingSecret", "Unreachable"] | None = None
    message: Annotated[str | None, Field(max_length=512)] = None


class AuditReport(Model):
    """What a gateway commits to: the last signed checkpoint of its log."""

    #: The public key, as ``name+id+key``.
    key: Annotated[str, Field(max_length=400)]
    #: A signed note.
    checkpoint: Annotated[str, Field(max_length=2048)]
    #: The proof that this log begins with that of ``since`` entries, base64 each.
    since: Annotated[int | None, Field(ge=0)] = None
    proof: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=128)] = []


class GatewayReport(Model):
    """What one gateway says of itself at ``/v1/status``."""

    storyteller: str
    #: ``generation`` of the configuration and of the route table that it follows; 0: none yet.
    config_generation: int = 0
    routes_generation: int = 0
    voices: list[Voice] = Field(default_factory=list)
    minimum_votes: int = 1
    #: Whether enough members answer for a decision by vote.
    quorum: bool = False
    #: Entries in the log.
    decisions: int = 0
    #: API keys that are usable; absent: none are asked for.
    api_keys: int | None = None
    #: Items of the Secret that are no keys, and why.
    key_faults: Annotated[list[str], Field(max_length=8)] = Field(default_factory=list)
    budgets: Annotated[list[Spend], Field(max_length=8)] = Field(default_factory=list)
    #: Why the templates of the configuration are not used; absent: they are.
    prompts_refused: Annotated[str | None, Field(max_length=512)] = None
    #: Those of experiments, looked at.
    tried: Annotated[list[TriedTemplate], Field(max_length=TRIED_AT_ONCE)] = []
    store: StoreReport = StoreReport(kind="Embedded")
    #: What outcomes say of the ensemble, by this gateway's log; absent: it is none.
    consensus: Figures | None = None
    #: Absent: nothing is signed yet.
    audit: AuditReport | None = None
