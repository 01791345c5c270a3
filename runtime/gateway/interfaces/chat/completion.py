"""What a client of OpenAI's chat API gets: whole, or in chunks."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import orjson
from pydantic import Field

from runtime.audit import Record, TokenCount
from runtime.gateway.interfaces.chat.request import Wire

DONE = b"data: [DONE]\n\n"

FinishReason = Literal["stop", "length"]


class Said(Wire):
    """The answer's words."""

    role: Literal["assistant"] = "assistant"
    content: str


class ChoiceSaid(Wire):
    """The one answer."""

    index: int = 0
    message: Said
    finish_reason: FinishReason
    logprobs: None = None


class UsageTold(Wire):
    """Tokens that it took; of the storyteller, those of all members together."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Kept(Wire):
    """Beyond OpenAI's fields: where the record is, and how it came about."""

    decision: Annotated[str, Field(description="For GET /v1/decisions/{decision}.")]
    outcome: str
    confidence: float


class ChatCompletion(Wire):
    """A completion."""

    id: Annotated[str, Field(description="The id of its decision.")]
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[ChoiceSaid]
    usage: UsageTold
    fabula: Kept


@dataclass(frozen=True, slots=True)
class Completed:
    """A completion that is recorded."""

    record: Record
    content: str
    finish: FinishReason

    @property
    def kept(self) -> Kept:
        """Where the record is."""
        result = self.record.result
        return Kept(decision=self.record.id, outcome=result.outcome, confidence=result.confidence)

    @property
    def usage(self) -> UsageTold:
        """Of all who answered."""
        counts = [each.tokens or TokenCount() for each in self.record.candidates]
        prompt = sum(count.prompt or 0 for count in counts)
        completion = sum(count.completion or 0 for count in counts)
        return UsageTold(
            prompt_tokens=prompt,
            completion_tokens=completion,
            total_tokens=prompt + completion,
        )

    def whole(self, model: str) -> ChatCompletion:
        """In one piece."""
        said = ChoiceSaid(message=Said(content=self.content), finish_reason=self.finish)
        return ChatCompletion(
            id=self.record.id,
            created=int(time.time()),
            model=model,
            choices=[said],
            usage=self.usage,
            fabula=self.kept,
        )


@dataclass
class Chunks:
    """The events of one streamed completion."""

    id: str
    model: str
    with_usage: bool
    created: int = field(default_factory=lambda: int(time.time()))
    _begun: bool = False

    def text(self, text: str) -> bytes:
        """Some words."""
        delta = {"content": text} if self._begun else {"role": "assistant", "content": text}
        self._begun = True
        return self._event([{"index": 0, "delta": delta, "finish_reason": None}])

    def end(self, completed: Completed) -> bytes:
        """That they are all, and where the record is."""
        last = self._event(
            [{"index": 0, "delta": {}, "finish_reason": completed.finish}],
            fabula=completed.kept.model_dump(),
        )
        usage = self._event([], usage=completed.usage.model_dump()) if self.with_usage else b""
        return last + usage + DONE

    def error(self, body: Mapping[str, Any]) -> bytes:
        """That there will be no end."""
        return b"data: " + orjson.dumps(body) + b"\n\n"

    def _event(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        event: dict[str, Any] = {
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": choices,
        }
        if self.with_usage:
            event["usage"] = None
        return b"data: " + orjson.dumps({**event, **more}) + b"\n\n"
