"""The OpenAI chat completion format: pieces of a stream, whole answers, errors."""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


class EngineError(Exception):
    """A request that gets an error instead of an answer; `body` is in OpenAI's error format."""

    def __init__(self, status: int, body: Json) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body


def error(status: int, message: str, kind: str) -> EngineError:
    return EngineError(status, {"error": {"message": message, "type": kind, "code": status}})


@dataclass(frozen=True)
class Piece:
    """One token of an answer that we make up ourselves."""

    text: str
    logprob: float = 0.0


@dataclass(frozen=True)
class Writer:
    """Writes the chunks of one made-up answer."""

    id: str
    model: str
    logprobs: bool = False
    created: int = field(default_factory=lambda: int(time.time()))

    def _chunk(self, **rest: Any) -> Json:
        return {
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            **rest,
        }

    def _choice(self, delta: Json, finish: str | None, logprobs: Json | None = None) -> Json:
        choice: Json = {"index": 0, "delta": delta, "finish_reason": finish}
        if logprobs is not None:
            choice["logprobs"] = logprobs
        return self._chunk(choices=[choice])

    def role(self) -> Json:
        return self._choice({"role": "assistant", "content": None}, None)

    def piece(self, piece: Piece) -> Json:
        return self._choice({"content": piece.text}, None, self._logprobs(piece))

    def _logprobs(self, piece: Piece) -> Json | None:
        if not self.logprobs:
            return None
        token: Json = {
            "token": piece.text,
            "bytes": list(piece.text.encode()),
            "logprob": piece.logprob,
        }
        return {"content": [token | {"top_logprobs": [token]}]}

    def finish(self, reason: str) -> Json:
        return self._choice({}, reason)

    def usage(self, prompt_tokens: int, completion_tokens: int) -> Json:
        return self._chunk(
            choices=[],
            usage={
                "prompt_tokens": prompt_tokens,
                "completion_tokens": completion_tokens,
                "total_tokens": prompt_tokens + completion_tokens,
            },
        )


def carries_text(chunk: Mapping[str, Any]) -> bool:
    """Whether a chunk brings a piece of the answer, in whichever field."""
    return any(
        any(value for key, value in choice.get("delta", {}).items() if key != "role")
        for choice in chunk.get("choices", ())
    )


def sse(data: str | bytes) -> bytes:
    """One server-sent event."""
    raw = data.encode() if isinstance(data, str) else data
    return b"data: " + raw + b"\n\n"


def whole(chunks: Iterable[Mapping[str, Any]]) -> Json:
    """Join the chunks of a stream into the answer that a request without `stream` expects."""
    answer: Json = {"object": "chat.completion", "choices": []}
    choices: dict[int, Json] = {}
    for chunk in chunks:
        for key in ("id", "created", "model", "system_fingerprint", "usage", "timings"):
            if chunk.get(key) is not None:
                answer[key] = chunk[key]
        for part in chunk.get("choices", ()):
            _join(choices.setdefault(part.get("index", 0), _empty_choice(part)), part)
    answer["choices"] = [choices[index] for index in sorted(choices)]
    return answer


def _empty_choice(part: Mapping[str, Any]) -> Json:
    message: Json = {"role": "assistant", "content": None}
    return {"index": part.get("index", 0), "message": message, "finish_reason": None}


def _join(choice: Json, part: Mapping[str, Any]) -> None:
    message = choice["message"]
    delta = part.get("delta") or {}
    for key in ("content", "reasoning_content", "refusal"):
        if delta.get(key) is not None:
            message[key] = (message.get(key) or "") + delta[key]
    for call in delta.get("tool_calls") or ():
        _join_tool_call(message.setdefault("tool_calls", []), call)
    for token in (part.get("logprobs") or {}).get("content") or ():
        choice.setdefault("logprobs", {"content": []})["content"].append(token)
    if part.get("finish_reason") is not None:
        choice["finish_reason"] = part["finish_reason"]


def _join_tool_call(calls: list[Json], part: Mapping[str, Any]) -> None:
    index = part.get("index", len(calls))
    while len(calls) <= index:
        calls.append({"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
    call, function = calls[index], part.get("function") or {}
    call["id"] = part.get("id") or call["id"]
    call["function"]["name"] += function.get("name") or ""
    call["function"]["arguments"] += function.get("arguments") or ""


def dumps(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
