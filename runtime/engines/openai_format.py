"""OpenAI's chat format, which llama.cpp and vLLM speak too: what is sent, what comes back."""

from collections.abc import Sequence
from typing import Any

import orjson

from runtime.engines.base import Chunk, EngineError, Prompt, Usage

_DONE = b"[DONE]"


def request(model: str, prompt: Prompt, *, limit: str) -> dict[str, Any]:
    """The body that asks for a stream. ``limit`` is the server's name for the longest answer."""
    sampling = prompt.sampling
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": said.role, "content": said.content} for said in prompt.messages],
        limit: prompt.max_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if sampling.temperature is not None:
        body["temperature"] = float(sampling.temperature)
    if sampling.top_p is not None:
        body["top_p"] = float(sampling.top_p)
    if sampling.seed is not None:
        body["seed"] = sampling.seed
    if prompt.stop:
        body["stop"] = list(prompt.stop)
    if prompt.schema is not None:
        body["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": prompt.schema},
        }
    return body


def chunk(events: Sequence[bytes]) -> tuple[Chunk, bool | EngineError]:
    """What came of a stream at once, in one piece, and whether that was the end of it, or what was
    wrong after it. Engines that are quicker than the network send many events together."""
    texts: list[str] = []
    logprobs: list[float] = []
    finish: str | None = None
    usage: Usage | None = None
    ended: bool | EngineError = False
    try:
        for data in events:
            if data == _DONE:
                ended = True
                break
            event = _object(data)
            if event.get("error"):
                said = orjson.dumps(event["error"]).decode()[:300]
                raise EngineError("Aborted", "the engine reports an error", words=said)
            for choice in (event.get("choices") or ())[:1]:
                text = (choice.get("delta") or {}).get("content")
                likely = _logprobs(choice["logprobs"]) if choice.get("logprobs") else []
                finish = choice.get("finish_reason") or finish
                texts.append(str(text or ""))
                logprobs += likely
            if event.get("usage"):
                counted = _usage(event["usage"])
                usage = usage.update(counted) if usage else counted
    except EngineError as error:
        ended = error
    except (AttributeError, LookupError, TypeError):
        ended = EngineError("Protocol", "the stream is not OpenAI's chat format")
    return Chunk("".join(texts), finish, usage, tuple(logprobs)), ended


def vectors(body: bytes, wanted: int) -> list[list[float]]:
    """The embeddings in an answer, in the order of the texts.

    Raises:
        EngineError: they are not there, or not as many.
    """
    try:
        data = sorted(_object(body)["data"], key=lambda item: int(item["index"]))
        found = [[float(x) for x in item["embedding"]] for item in data]
    except (LookupError, TypeError, ValueError) as error:
        raise EngineError("Protocol", "the answer holds no embeddings") from error
    if len(found) != wanted:
        raise EngineError("Protocol", f"{len(found)} embeddings came for {wanted} texts")
    return found


def _object(data: bytes) -> dict[str, Any]:
    try:
        event = orjson.loads(data)
    except ValueError as error:
        raise EngineError("Protocol", "the answer holds something that is not JSON") from error
    if not isinstance(event, dict):
        raise EngineError("Protocol", "the answer holds something that is not an object")
    return event


def _usage(usage: dict[str, Any]) -> Usage:
    details = usage.get("prompt_tokens_details") or {}
    return Usage(
        usage.get("prompt_tokens"),
        usage.get("completion_tokens"),
        details.get("cached_tokens"),
        details.get("cache_write_tokens"),
    )


def _logprobs(logprobs: dict[str, Any]) -> list[float]:
    return [float(token["logprob"]) for token in logprobs.get("content") or ()]
