"""What every engine is asked and answers, and the one way in which each fails."""

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal, Protocol

from crds.ensemble import Sampling

#: Why there is no answer, in one word.
FailureKind = Literal[
    "Connect",  # nobody listens, or the connection broke before the answer began
    "Status",  # the engine refused
    "Timeout",
    "CutStream",  # the answer broke off
    "Aborted",  # the engine says that it gave up
    "Empty",
    "OutsideOptions",
    "Protocol",  # it speaks another language
    "MissingKey",
    "NotReady",
]


class EngineError(Exception):
    """A member gave no answer. ``blames_member`` is false when the request itself was at fault."""

    def __init__(self, kind: FailureKind, message: str, *, blames_member: bool = True) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind: FailureKind = kind
        self.message = message
        self.blames_member = blames_member


@dataclass(frozen=True, slots=True)
class Prompt:
    """One question to one member."""

    system: str
    user: str
    sampling: Sampling
    #: The only answers allowed. None: free text.
    options: tuple[str, ...] | None = None
    #: W3C trace context to hand on.
    traceparent: str | None = None

    @property
    def max_tokens(self) -> int:
        """Longest answer. A constrained one must never be cut: half an option is no answer. No
        token is shorter than a byte, while one character of many scripts is several tokens."""
        if self.options is None:
            return self.sampling.max_tokens
        return max(
            self.sampling.max_tokens, 32 + max(len(option.encode()) for option in self.options)
        )

    @property
    def schema(self) -> dict[str, Any] | None:
        """JSON schema of the answer, where there are options."""
        if self.options is None:
            return None
        return {
            "type": "object",
            "properties": {"choice": {"type": "string", "enum": list(self.options)}},
            "required": ["choice"],
            "additionalProperties": False,
        }

    @property
    def digest(self) -> str:
        """SHA-256 of what is asked and how."""
        asked = [self.system, self.user, self.options, self.sampling.dump()]
        return sha256(json.dumps(asked).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of an answer. ``finish`` is the engine's own word for why it ended."""

    text: str = ""
    finish: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer."""

    text: str
    #: The engine stopped because the answer was as long as allowed.
    clipped: bool
    prompt_tokens: int | None
    completion_tokens: int | None


class Engine(Protocol):
    """A model that answers. Every method may raise EngineError."""

    def stream(self, prompt: Prompt) -> AsyncGenerator[Chunk, None]:
        """Generate. Closing the generator stops the engine."""
        ...

    async def check(self) -> None:
        """Return when the engine could answer now. Cheap: it generates nothing."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
