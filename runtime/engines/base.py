"""What every engine is asked and answers, and the one way in which each fails."""

import math
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, Literal, Protocol

import orjson

from crds.ensemble import Sampling

Role = Literal["system", "user", "assistant"]

#: Why there is no answer, in one word.
FailureKind = Literal[
    "Connect",  # nobody listens, or the connection broke before the answer began
    "Status",  # the engine refused
    "Timeout",
    "Stalled",  # it began to speak and fell silent
    "CutStream",  # the answer broke off
    "Aborted",  # the engine says that it gave up
    "Empty",
    "OutsideOptions",
    "Protocol",  # it speaks another language
    "MissingKey",
    "NotReady",
    "NotOffered",  # no engine of this kind can do that
]

#: What chat templates put around one message, in tokens: the largest in use need about ten.
_TEMPLATE_TOKENS = 16


class EngineError(Exception):
    """A member gave no answer.

    ``blames_member`` is false when the request itself was at fault. ``passing`` is true when
    nothing of an answer had come and the same request may well succeed in a moment, so that asking
    again is safe. ``retry_after`` is how many seconds the engine wants to be left alone. ``words``
    are those of an answer or of a provider, which may repeat the question: they are for whoever
    asked and for the sealed part of the record, and stand in no log and no status.
    """

    def __init__(
        self,
        kind: FailureKind,
        message: str,
        *,
        blames_member: bool = True,
        passing: bool = False,
        retry_after: float | None = None,
        words: str = "",
    ) -> None:
        super().__init__(f"{kind}: {message}: {words}" if words else f"{kind}: {message}")
        self.kind: FailureKind = kind
        self.message = message
        self.blames_member = blames_member
        self.passing = passing
        self.retry_after = retry_after

    @property
    def public(self) -> str:
        """What everyone may hear of it."""
        return f"{self.kind}: {self.message}"


@dataclass(frozen=True, slots=True)
class Message:
    """What one side of a conversation said."""

    role: Role
    content: str


@dataclass(frozen=True)
class Prompt:
    """One question to one member: a conversation that it is to continue."""

    messages: tuple[Message, ...]
    sampling: Sampling
    #: The only answers allowed. None: free text.
    options: tuple[str, ...] | None = None
    #: JSON schema of the answer where there are no options. None: free text.
    json_schema: Mapping[str, Any] | None = None
    #: Texts at which the answer ends, without them.
    stop: tuple[str, ...] = ()
    #: Ask for the log-probabilities of the answer, where the engine offers them.
    logprobs: bool = False
    #: W3C trace context to hand on.
    traceparent: str | None = None

    @classmethod
    def of(cls, system: str, user: str, sampling: Sampling, **more: Any) -> "Prompt":
        """A single question, asked of someone who was told who it is."""
        return cls((Message("system", system), Message("user", user)), sampling, **more)

    @property
    def system(self) -> str:
        """All that is said in the system's name."""
        return "\n\n".join(said.content for said in self.messages if said.role == "system")

    @property
    def turns(self) -> list[Message]:
        """What user and assistant said."""
        return [said for said in self.messages if said.role != "system"]

    @property
    def max_tokens(self) -> int:
        """Longest answer. A constrained one must never be cut: half an option is no answer. No
        token is shorter than a byte, while one character of many scripts is several tokens."""
        if self.options is None:
            return self.sampling.max_tokens
        return max(
            self.sampling.max_tokens, 32 + max(len(option.encode()) for option in self.options)
        )

    @cached_property
    def schema(self) -> Mapping[str, Any] | None:
        """JSON schema of the answer, where it has one."""
        if self.options is None:
            return self.json_schema
        return {
            "type": "object",
            "properties": {"choice": {"type": "string", "enum": list(self.options)}},
            "required": ["choice"],
            "additionalProperties": False,
        }

    @property
    def most_tokens(self) -> int:
        """More tokens than this prompt can have, known before anyone counts them: in the byte-level
        vocabularies of today's models no token is shorter than a byte. Usually some four times too
        many, as a bound for money and context windows may be."""
        said = sum(len(said.content.encode()) + _TEMPLATE_TOKENS for said in self.messages)
        return said + _TEMPLATE_TOKENS + (len(orjson.dumps(self.schema)) if self.schema else 0)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what is asked and how."""
        sampling = self.sampling
        asked = [
            [[said.role, said.content] for said in self.messages],
            [sampling.temperature, sampling.top_p, sampling.seed, sampling.max_tokens],
            self.options,
            self.json_schema,
            self.stop,
        ]
        return sha256(orjson.dumps(asked)).hexdigest()


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that a call took, as the engine counted them; None: it did not say."""

    prompt: int | None = None
    #: With what the model thought before it spoke.
    completion: int | None = None
    #: Of the prompt, what the provider had in its cache, and what it put there.
    cached: int | None = None
    written: int | None = None

    def update(self, later: "Usage") -> "Usage":
        """What a later count leaves of this one."""
        return Usage(
            self.prompt if later.prompt is None else later.prompt,
            self.completion if later.completion is None else later.completion,
            self.cached if later.cached is None else later.cached,
            self.written if later.written is None else later.written,
        )


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of an answer. ``finish`` is the engine's own word for why it ended."""

    text: str = ""
    finish: str | None = None
    #: So far; it stands in one or more of the pieces.
    usage: Usage | None = None
    #: Natural logarithms of the probabilities of the tokens in ``text``.
    logprobs: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer."""

    text: str
    #: The engine stopped because the answer was as long as allowed.
    clipped: bool
    usage: Usage = Usage()
    #: Mean of the natural logarithms of its tokens' probabilities; None: not known.
    mean_logprob: float | None = None

    @property
    def certainty(self) -> float | None:
        """How sure the model was of its words, 0 to 1: the geometric mean of the probabilities of
        its tokens. Not a probability of being right."""
        return None if self.mean_logprob is None else math.exp(self.mean_logprob)


class Engine(Protocol):
    """A model that answers. Every method may raise EngineError."""

    def stream(self, prompt: Prompt, seconds: float) -> AsyncGenerator[Chunk, None]:
        """Generate once. Closing the generator stops the engine. ``seconds`` is how long the
        answer is of use, handed on so that nobody works for no one; who asks keeps to it."""
        ...

    async def embed(self, texts: Sequence[str], seconds: float) -> list[list[float]]:
        """One vector for each text, for engines that offer it."""
        ...

    async def check(self) -> None:
        """Return when the engine could answer now. Cheap: it generates nothing."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
