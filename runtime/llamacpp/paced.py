"""Answers made by waiting instead of computing, so that two cores can carry the load of a fleet.

The text is decided by the prompt and the seed of the request alone; a JSON schema is obeyed.
"""

import asyncio
import hashlib
import json
import random
import re
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from runtime.llamacpp.chunks import Json, Piece, Writer, dumps, error
from runtime.llamacpp.instances import UnsupportedSchemaError, instance

_OPENINGS = (
    "The torches gutter as", "Beyond the broken gate,", "With a quiet oath,", "Before dawn",
    "Under the ash-grey sky,", "Somewhere below the keep,",
)  # fmt: skip
_ACTORS = (
    "the old captain", "a hooded stranger", "the river folk", "the last ember-priest",
    "a lame wolf", "the ferryman's daughter",
)  # fmt: skip
_DEEDS = (
    "lays a coin on the table", "asks what you would give to be believed",
    "turns the key and does not look back", "counts the names that are still alive",
    "points to smoke in the north", "breaks the seal and reads aloud",
)  # fmt: skip
_SENTENCES = 4


def seed_of(request: Mapping[str, Any]) -> int:
    """A number that is the same for the same prompt and seed."""
    material = json.dumps([request.get("messages"), request.get("seed")], sort_keys=True)
    return int.from_bytes(hashlib.sha256(material.encode()).digest()[:8])


def schema_of(request: Mapping[str, Any]) -> Any | None:
    """The JSON schema that a request wants its answer to follow, in either accepted form."""
    wanted = request.get("response_format") or {}
    if wanted.get("type") == "json_schema":
        return (wanted.get("json_schema") or {}).get("schema", {})
    if wanted.get("type") == "json_object":
        return wanted.get("schema", {"type": "object"})
    return None


def pieces(request: Mapping[str, Any]) -> list[Piece]:
    """The whole answer, in tokens."""
    generator = random.Random(seed_of(request))  # noqa: S311 - repeatable
    schema = schema_of(request)
    if schema is None:
        parts = re.findall(r"\s*\S+", _prose(generator))
    else:
        try:
            text = json.dumps(instance(schema, generator), ensure_ascii=False)
        except UnsupportedSchemaError as problem:
            raise error(
                400,
                f"a paced engine cannot make an instance of response_format: {problem}; "
                "simplify the schema or use an engine with a model",
                "invalid_request_error",
            ) from None
        parts = [text[i : i + 4] for i in range(0, len(text), 4)]
    return [Piece(part, logprob=-round(0.7 * generator.random() ** 2, 6)) for part in parts]


def _prose(generator: random.Random) -> str:
    return " ".join(
        f"{generator.choice(_OPENINGS)} {generator.choice(_ACTORS)} {generator.choice(_DEEDS)}."
        for _ in range(_SENTENCES)
    )


def prompt_tokens(request: Mapping[str, Any]) -> int:
    return len(json.dumps(request.get("messages", []), ensure_ascii=False).split())


class PacedEngine:
    """Stands where llama.cpp would."""

    def __init__(self, model: str, tokens_per_second: float) -> None:
        self._model = model
        self._seconds_per_token = 1 / tokens_per_second
        self._answered = 0

    async def stream(self, request: Mapping[str, Any]) -> AsyncGenerator[bytes]:
        """Chunks of an answer, one token every so many seconds."""
        answer = pieces(request)
        limit = request.get("max_completion_tokens") or request.get("max_tokens") or len(answer)
        self._answered += 1
        writer = Writer(
            f"chatcmpl-paced-{self._answered}", self._model, bool(request.get("logprobs"))
        )
        cut = answer[: max(limit, 0)]
        clock = asyncio.get_running_loop().time
        started = clock()
        yield _raw(writer.role())
        for number, piece in enumerate(cut, start=1):
            # Against the start, so that the pace does not drift by the cost of each token.
            await asyncio.sleep(max(0.0, started + number * self._seconds_per_token - clock()))
            yield _raw(writer.piece(piece))
        yield _raw(writer.finish("stop" if len(cut) == len(answer) else "length"))
        yield _raw(writer.usage(prompt_tokens(request), len(cut)))

    async def metrics(self) -> str:
        return ""

    async def close(self) -> None:
        return


def _raw(chunk: Json) -> bytes:
    return dumps(chunk).encode()
