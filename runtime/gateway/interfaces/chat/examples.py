"""The examples of OpenAI's routes in the OpenAPI document."""

from typing import Any

import orjson
from fastapi.openapi.models import Example

from runtime.gateway.interfaces.chat.errors import ErrorBody
from runtime.gateway.interfaces.examples import DECISION_ID, EVENT

_MESSAGES = [{"role": "user", "content": "Mara comes to the gate. What does the guard say?"}]
_VOTE = {
    "type": "json_schema",
    "json_schema": {
        "name": "gate",
        "schema": {
            "type": "object",
            "properties": {"gate": {"type": "string", "enum": ["open", "shut"]}},
            "required": ["gate"],
        },
    },
}

REQUESTS: dict[str, Example] = {
    "the storyteller": {"value": {"model": "bard", "messages": _MESSAGES}},
    "a vote": {"value": {"model": "bard", "messages": _MESSAGES, "response_format": _VOTE}},
    "one member": {"value": {"model": "chronicler", "messages": _MESSAGES, "stream": True}},
}
MODEL: dict[str, Any] = {"id": "bard", "object": "model", "created": 0, "owned_by": "fabula"}
MODELS: dict[str, Any] = {"object": "list", "data": [MODEL]}
_KEPT = {"decision": DECISION_ID, "outcome": "Vote", "confidence": 0.4}
_USAGE = {"prompt_tokens": 310, "completion_tokens": 11, "total_tokens": 321}
_WORDS = "The guard asks for a song."
COMPLETION: dict[str, Any] = {
    "id": DECISION_ID,
    "object": "chat.completion",
    "created": 1795409504,
    "model": "bard",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": _WORDS},
            "finish_reason": "stop",
            "logprobs": None,
        }
    ],
    "usage": _USAGE,
    "fabula": _KEPT,
}


def _chunk(delta: dict[str, str], finish: str | None, **more: Any) -> str:
    event = {
        "id": DECISION_ID,
        "object": "chat.completion.chunk",
        "created": 1795409504,
        "model": "bard",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        **more,
    }
    return f"data: {orjson.dumps(event).decode()}\n\n"


CHUNKS = (
    _chunk({"role": "assistant", "content": _WORDS}, None)
    + _chunk({}, "stop", fabula=_KEPT)
    + "data: [DONE]\n\n"
)

_ERROR = {
    "error": {
        "message": "tools is not supported here; leave it out",
        "type": "invalid_request_error",
        "param": "tools",
        "code": "unsupported_parameter",
    }
}


def responses(example: dict[str, Any], *, events: str | None = None) -> dict[int | str, Any]:
    """A good answer with its example, and OpenAI's error for everything else."""
    content: dict[str, Any] = {"application/json": {"example": example}}
    if events is not None:
        content["text/event-stream"] = {"schema": EVENT, "example": events}
    error = {"model": ErrorBody, "content": {"application/json": {"example": _ERROR}}}
    return {
        200: {"content": content},
        "4XX": {**error, "description": "The request is at fault; the message says how."},
        "5XX": {**error, "description": "The gateway or a member is; send it again."},
    }
