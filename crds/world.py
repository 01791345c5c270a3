"""World: the game that everything else belongs to."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from crds.base import ListMap, Model, Rule, exactly_one
from crds.cohorts import MAX_COHORTS, Cohort
from crds.common import (
    AGE_COLUMN,
    READY_COLUMN,
    WHY_COLUMN,
    Column,
    ConfigMapRef,
    DeletionPolicy,
    Kind,
    Names,
    SecretKeyRef,
    SecretRef,
    Status,
    short_name_rule,
)
from crds.freeze import FreezeWindow
from crds.limits import Budget, Cors
from crds.metrics import GameMetric
from crds.models import Models
from crds.prometheus import Prometheus
from crds.tunables import Tunable, TunableName, ValueText


class Lore(Model):
    """What is true in this world."""

    config_map_ref: Annotated[ConfigMapRef, Field(description="The ConfigMap that holds the text.")]


class Redis(Model):
    """A Redis server, 6.2 or later."""

    address_secret_ref: Annotated[
        SecretKeyRef,
        Field(
            description="Its address, as redis://[user:password@]host:port[/database], with "
            "rediss:// for TLS. It is mounted into the gateways; until it exists they say so and "
            "serve no sessions."
        ),
    ]


class HotStore(Model):
    """Where sessions are kept: exactly one."""

    redis: Annotated[
        Redis | None,
        Field(
            description="Redis. Keep its data on disk (`appendonly yes`); with `appendfsync "
            "always` a crash of Redis loses no turn, with `everysec` the last second's are made "
            "good from the gateways' logs."
        ),
    ] = None

    rules: ClassVar[tuple[Rule, ...]] = (exactly_one("redis"),)


class Stores(Model):
    """Where data is kept, by how fast it has to be."""

    hot: Annotated[
        HotStore | None,
        Field(
            description="Sessions, and what the replicas of a gateway have to agree on. Default: "
            "an embedded store on the volume of the one gateway that may then run."
        ),
    ] = None


class ConfigService(Model):
    """The service that gives games the tunables."""

    replicas: Annotated[
        int,
        Field(ge=1, le=9, description="Pods that serve them. Default 2, so that one may go."),
    ] = 2
    api_keys_secret_ref: Annotated[
        SecretRef | None,
        Field(
            description="The Secret whose items are the API keys of games, made with `fabula keys "
            "create`; it may be the one of a Storyteller. A key needs the scope `config`. It is "
            "mounted, and a changed item takes effect within two minutes; while it has no key, "
            "every call is refused. Default: no keys are asked for, and whoever reaches the "
            "service may read the tunables."
        ),
    ] = None
    per_key_per_minute: Annotated[
        int | None,
        Field(
            ge=1,
            le=1_000_000,
            description="Calls a minute for each API key, so many of them at once; a key may have "
            "a lower limit of its own. Each replica lets its share through. Without API keys, all "
            "callers together. Default: no limit.",
        ),
    ] = None
    cors: Annotated[
        Cors | None,
        Field(description="Which web pages may call it from a browser. Default: none."),
    ] = None


class WorldSpec(Model):
    """What a World says."""

    title: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=80,
            description="The name that players see. Default: the object's name.",
        ),
    ] = None
    lore: Annotated[
        Lore | None,
        Field(
            description="What is true in this world. Every Storyteller of it is told this before "
            "its own persona. Default: nothing."
        ),
    ] = None
    budget: Annotated[
        Budget | None,
        Field(
            description="How much money it may cost; a Storyteller and an API key may have less. "
            "When it is used up, members that cost money are left out. Default: no cap."
        ),
    ] = None
    tunables: Annotated[
        list[Tunable],
        ListMap(),
        Field(
            max_length=128,
            description="What the game reads for each session, and what experiments may change. "
            "With the first one a service is made that games read them from. Default: none.",
        ),
    ] = []
    config: Annotated[
        ConfigService | None,
        Field(
            description="The service that gives games the tunables, where there are any. Default: "
            "see its fields."
        ),
    ] = None
    stores: Annotated[
        Stores | None,
        Field(description="Where data is kept outside of the pods. Default: inside of them."),
    ] = None
    models: Annotated[
        Models | None,
        Field(
            description="Where the models of its ensembles come from and are kept, for those that "
            "name one by `uri`."
        ),
    ] = None
    metrics: Annotated[
        list[GameMetric],
        ListMap(),
        Field(
            max_length=32,
            description="What the game posts of sessions, or Prometheus is asked for, so that "
            "rollouts can be judged by it. Default: nothing.",
        ),
    ] = []
    prometheus: Annotated[
        Prometheus | None,
        Field(description="Who is asked for metrics that have a `prometheus`. Default: nobody."),
    ] = None
    freeze_windows: Annotated[
        list[FreezeWindow],
        ListMap(),
        Field(
            max_length=16,
            description="Hours in which no rollout of its ensembles and no experiment begins or "
            "goes on by itself. Who is to be sent back is sent back all the same, and what a "
            "person asks for is done. Default: none.",
        ),
    ] = []
    cohorts: Annotated[
        list[Cohort],
        ListMap(),
        Field(
            max_length=MAX_COHORTS,
            description="Players that the game tells apart when a session begins, so that "
            "experiments can leave them out. Default: none.",
        ),
    ] = []
    deletion_policy: Annotated[
        DeletionPolicy,
        Field(
            description="What becomes of data volumes when a Storyteller of this world is deleted "
            "and does not say so itself. `Retain` (default) leaves them and names them in an "
            "Event; a Storyteller of the same name goes on over them. `Delete` removes them."
        ),
    ] = "Retain"

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.metrics) || has(self.prometheus) || "
            "!self.metrics.exists(m, has(m.prometheus))",
            "a metric is asked of Prometheus; set spec.prometheus.address",
            ".prometheus",
        ),
    )

    @property
    def service(self) -> ConfigService:
        """The service of the tunables, as it is meant to be."""
        return self.config or ConfigService()

    @property
    def redis(self) -> Redis | None:
        """The Redis of the hot store, where there is one."""
        return self.stores.hot.redis if self.stores and self.stores.hot else None


class Inhabitant(Model):
    """An object that refers to the world."""

    name: Annotated[str, Field(max_length=253, description="Its name.")]
    ready: Annotated[bool, Field(description="Whether its Ready condition is True.")]


class EffectiveTunable(Model):
    """What games read under one name."""

    name: Annotated[TunableName, Field(description="The tunable.")]
    value: Annotated[
        str,
        Field(max_length=128, description="Its value, as a string; of a long one the beginning."),
    ]
    source: Annotated[
        Literal["Default", "Promoted"],
        Field(
            description="Where it comes from: `Default`, that of the spec, or `Promoted`, by an "
            "experiment."
        ),
    ]


class Promoted(Model):
    """What an experiment proved and everyone has, in place of what the spec says."""

    target: Annotated[
        str,
        Field(
            max_length=80,
            description="What is changed, as in tunable/quest-gold or prompt/bard/user.j2.",
        ),
    ]
    value: Annotated[
        ValueText,
        Field(description="What holds now, as a string; of a template the digest of its text."),
    ]
    experiment: Annotated[
        str, Field(max_length=24, description="The EvolutionExperiment that proved it.")
    ]
    salt: Annotated[str, Field(max_length=16, description="Of the run that proved it.")]
    spec_digest: Annotated[
        str,
        Field(
            max_length=16,
            description="Of what it stands in for: when that is edited, the edit holds and this "
            "entry goes.",
        ),
    ]


class ConfigStatus(Model):
    """The service that gives games the tunables."""

    url: Annotated[str, Field(max_length=300, description="Where games call it, in the cluster.")]
    digest: Annotated[
        str,
        Field(
            max_length=16,
            description="Of all values: the `digest` that games read at `/v1/config`.",
        ),
    ]
    ready: Annotated[str, Field(max_length=8, description="Ready pods of all, as in 2/2.")]


class WorldStatus(Status):
    """What the operator sees of a World."""

    ensembles: Annotated[
        list[Inhabitant],
        ListMap(),
        Field(max_length=64, description="The ModelEnsembles that refer to it."),
    ] = []
    storytellers: Annotated[
        list[Inhabitant],
        ListMap(),
        Field(max_length=64, description="The Storytellers that refer to it."),
    ] = []
    tunables: Annotated[
        list[EffectiveTunable],
        ListMap(),
        Field(max_length=128, description="What games read, by name."),
    ] = []
    promoted: Annotated[
        list[Promoted],
        ListMap(("target",)),
        Field(
            max_length=128,
            description="What experiments proved and everyone has. To keep it for good, write it "
            "into the spec; to drop it, edit that default.",
        ),
    ] = []
    config: Annotated[
        ConfigStatus | None,
        Field(description="The service that they read it from. Absent: there are no tunables."),
    ] = None
    ensembles_ready: Annotated[
        str | None, Field(max_length=16, description="Ready ModelEnsembles of all, as in 1/2.")
    ] = None
    storytellers_ready: Annotated[
        str | None, Field(max_length=16, description="Ready Storytellers of all, as in 1/2.")
    ] = None


class World(Kind):
    """The game: what its storytellers know, and what happens to its data."""

    names: ClassVar[Names] = Names("World", "worlds", "wld")
    columns: ClassVar[tuple[Column, ...]] = (
        READY_COLUMN,
        Column("Ensembles", ".status.ensemblesReady", description="Ready of all."),
        Column("Storytellers", ".status.storytellersReady", description="Ready of all."),
        Column("Config", ".status.config.url", description="Where games read tunables.", wide=True),
        WHY_COLUMN,
        AGE_COLUMN,
    )
    rules: ClassVar[tuple[Rule, ...]] = (short_name_rule(),)

    spec: Annotated[WorldSpec, Field(description="What you want.")] = WorldSpec()
    status: Annotated[WorldStatus, Field(description="What is.")] = WorldStatus()
