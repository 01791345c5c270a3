"""OpenAI's chat format, which llama.cpp and vLLM speak too: what is sent, what comes back."""

from typing import Any

import orjson

from runtime.engines.base import Chunk, EngineError, Prompt, Usage


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


def chunk(data: bytes) -> Chunk:
    """One event of a stream.

    Raises:
        EngineError: it is an error, or not of this format.
    """
    event = _object(data)
    if event.get("error"):
        said = orjson.dumps(event["error"]).decode()[:300]
        raise EngineError("Aborted", "the engine reports an error", words=said)
    try:
        choices = event.get("choices")
        choice = choices[0] if choices else {}
        usage = event.get("usage")
        return Chunk(
            str((choice.get("delta") or {}).get("content") or ""),
            choice.get("finish_reason"),
            _usage(usage) if usage else None,
            _logprobs(choice["logprobs"]) if choice.get("logprobs") else (),
        )
    except (AttributeError, LookupError, TypeError) as error:
        raise EngineError("Protocol", "the stream is not OpenAI's chat format") from error


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


def _logprobs(logprobs: dict[str, Any]) -> tuple[float, ...]:
    return tuple(float(token["logprob"]) for token in logprobs.get("content") or ())
