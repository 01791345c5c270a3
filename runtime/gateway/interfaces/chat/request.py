"""What a client of OpenAI's chat API may send. What cannot be honoured is refused by its name:
ignored, it would change what the answer means."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from crds.ensemble import Sampling
from runtime.consensus import canonical
from runtime.engines import Message
from runtime.gateway.interfaces.models import depth

MAX_SCHEMA_DEPTH = 32
#: Messages of one request; its size in bytes is bounded for every request.
MAX_MESSAGES = 1000


class Wire(BaseModel):
    """OpenAI's objects: snake_case, and nothing else than what is declared."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class TextPart(Wire):
    """A piece of a message."""

    type: Literal["text"]
    text: str


class ChatMessage(Wire):
    """What one side said."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[
        str | Annotated[list[TextPart], Field(min_length=1)],
        Field(description="Text. Images and sound are not understood."),
    ]
    name: Annotated[str | None, Field(max_length=64, description="Told to nobody.")] = None

    @property
    def said(self) -> Message:
        """As engines are told."""
        content = self.content
        text = content if isinstance(content, str) else "\n".join(part.text for part in content)
        role = "system" if self.role == "developer" else self.role
        return Message(role, text)


def _plain_schema(schema: dict[str, Any]) -> dict[str, Any]:
    if depth(schema, MAX_SCHEMA_DEPTH) > MAX_SCHEMA_DEPTH:
        raise ValueError(f"the schema may nest {MAX_SCHEMA_DEPTH} levels deep; flatten it")
    try:
        json.dumps(schema, ensure_ascii=False, allow_nan=False).encode()
    except ValueError as error:
        raise ValueError(f"the schema must be plain JSON ({error})") from None
    return schema


class JsonSchema(Wire):
    """The form of an answer."""

    name: Annotated[str, Field(min_length=1, max_length=64)] = "answer"
    description: str | None = None
    schema_: Annotated[dict[str, Any], Field(alias="schema"), AfterValidator(_plain_schema)]
    strict: bool | None = None


class PlainText(Wire):
    """Free text."""

    type: Literal["text"]


class Structured(Wire):
    """JSON of one form."""

    type: Literal["json_schema"]
    json_schema: JsonSchema


class StreamOptions(Wire):
    """What a stream holds beside the text."""

    include_usage: Annotated[
        bool | None, Field(description="Tell in a last chunk how many tokens it took.")
    ] = None
    include_obfuscation: Annotated[bool | None, Field(description="Never done.")] = None


def _whole(value: object) -> object:
    """JSON has one kind of number: 5.0 is an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_Tokens = Annotated[int, Field(ge=1, le=32_768), BeforeValidator(_whole)]
_Seed = Annotated[int, Field(ge=0, le=2_147_483_647), BeforeValidator(_whole)]
_One = Annotated[Literal[1], BeforeValidator(_whole)]
_Zero = Annotated[float | None, Field(ge=0, le=0, description="Only 0.")]
_Limit = Annotated[_Tokens | None, Field(description="Longest answer in tokens.")]
_Hint = Annotated[str | None, Field(max_length=512, description="Taken and not used.")]


class ChatRequest(Wire):
    """Ask for a completion."""

    model: Annotated[
        str,
        Field(
            min_length=1,
            max_length=64,
            description="The storyteller, whose whole ensemble decides, or one member alone.",
        ),
    ]
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=MAX_MESSAGES)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float | None, Field(ge=0, le=2)] = None
    top_p: Annotated[float | None, Field(ge=0, le=1)] = None
    seed: _Seed | None = None
    max_tokens: _Limit = None
    max_completion_tokens: _Limit = None
    stop: Annotated[
        str | Annotated[list[str], Field(min_length=1, max_length=4)] | None,
        Field(description="Up to 4 texts at which the answer ends, without them."),
    ] = None
    response_format: Annotated[
        Annotated[PlainText | Structured, Field(discriminator="type")] | None,
        Field(
            description="The storyteller votes where the schema has one property with an `enum` "
            "of 2 to 20 texts; a member takes every schema."
        ),
    ] = None
    user: Annotated[
        str | None, Field(min_length=1, max_length=80, description="The player, as recorded.")
    ] = None
    n: Annotated[_One | None, Field(description="Only 1.")] = None
    frequency_penalty: _Zero = None
    presence_penalty: _Zero = None
    logit_bias: Annotated[
        dict[str, float] | None, Field(max_length=0, description="Only empty.")
    ] = None
    metadata: Annotated[
        dict[str, str] | None, Field(max_length=16, description="Taken and not used.")
    ] = None
    store: Annotated[
        bool | None, Field(description="Not used: each completion is recorded either way.")
    ] = None
    service_tier: _Hint = None
    prompt_cache_key: _Hint = None
    safety_identifier: _Hint = None

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with the tokens it took."""
        return bool(self.stream_options and self.stream_options.include_usage)

    @property
    def said(self) -> tuple[Message, ...]:
        """The conversation as engines are told."""
        return tuple(message.said for message in self.messages)

    @property
    def stops(self) -> tuple[str, ...]:
        """Where the answer ends."""
        stop = self.stop or ()
        return (stop,) if isinstance(stop, str) else tuple(stop)

    @property
    def json_schema(self) -> Mapping[str, Any] | None:
        """The form that is asked for."""
        wanted = self.response_format
        return wanted.json_schema.schema_ if isinstance(wanted, Structured) else None

    def sampling(self, declared: Sampling) -> Sampling:
        """As the request has it; where it says nothing, as declared."""
        asked = {
            "temperature": _decimal(self.temperature),
            "top_p": _decimal(self.top_p),
            "seed": self.seed,
            "max_tokens": self.max_completion_tokens or self.max_tokens,
        }
        return declared.model_copy(
            update={name: value for name, value in asked.items() if value is not None}
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """A question with options, as a schema says it."""

    name: str
    options: tuple[str, ...]

    def answer(self, chosen: str) -> str:
        """The JSON that names one."""
        return json.dumps({self.name: chosen}, ensure_ascii=False)


def choice_of(schema: Mapping[str, Any]) -> Choice | None:
    """The choice that a schema leaves, if it is one that can be voted on: one property, and 2 to 20
    texts that differ by more than case, spaces and punctuation.

    >>> choice_of({"type": "object", "properties": {"gate": {"enum": ["open", "shut"]}}})
    Choice(name='gate', options=('open', 'shut'))
    """
    properties = schema.get("properties")
    if not isinstance(properties, dict) or len(properties) != 1:
        return None
    ((name, form),) = properties.items()
    options = form.get("enum") if isinstance(form, dict) else None
    if not isinstance(options, list) or not 2 <= len(options) <= 20:
        return None
    if not all(isinstance(option, str) and 0 < len(option.strip()) <= 200 for option in options):
        return None
    if len({canonical(option) for option in options}) < len(options):
        return None
    return Choice(name, tuple(options))


def _decimal(value: float | None) -> str | None:
    return None if value is None else f"{value:.6f}".rstrip("0").rstrip(".")
