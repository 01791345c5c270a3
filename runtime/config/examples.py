"""The examples in the OpenAPI document: the same small world everywhere."""

from typing import Any

from runtime.config.models import EvaluationFailure
from runtime.web.application import Words, described

SESSION_ID = "s-9b1d7c2f40e6a853bc17d290"
CONFIG: dict[str, Any] = {
    "world": "emberfall",
    "digest": "5f0c2a91b7de",
    "values": {"ash-fall": 0.25, "permadeath": False, "quest-gold": 120},
}
TUNABLES: dict[str, Any] = {
    "tunables": [
        {
            "name": "quest-gold",
            "type": "Integer",
            "default": "120",
            "bounds": {"min": "50", "max": "300", "maxStep": "20"},
            "locked": False,
        }
    ]
}
EVALUATION_REQUEST: dict[str, Any] = {"context": {"targetingKey": SESSION_ID}}
FLAG: dict[str, Any] = {
    "key": "quest-gold",
    "value": 120,
    "reason": "STATIC",
    "variant": "default",
}

_PROBLEMS: Words = {
    401: (
        "unauthenticated",
        "No API key that is known",
        "the request has no API key; send one as Authorization: Bearer KEY",
    ),
    403: (
        "scope-missing",
        "The key may not do this",
        "key game-server has no scope config; add it to the item game-server of the Secret",
    ),
    422: (
        "invalid-request",
        "The request is not valid",
        "query.wait: Input should be less than or equal to 30; correct the field and send it again",
    ),
    429: (
        "rate-limited",
        "Too many requests",
        "perKeyPerMinute is 300 for API key game-server at each replica; send it again after 3 s",
    ),
    503: (
        "not-configured",
        "The service has no configuration yet",
        "the operator has not written its ConfigMap; see kubectl describe world",
    ),
}
_DETAILS = {
    400: ("PARSE_ERROR", "body: Invalid JSON; correct it and send it again"),
    404: ("FLAG_NOT_FOUND", "World emberfall has no tunable 'quest-silver'; add it"),
    413: ("GENERAL", "the body may have 65536 bytes; send less"),
}


def responses(example: dict[str, Any], *codes: int) -> dict[int | str, Any]:
    """A good answer, and the problems that can come instead."""
    return {200: _good(example), **described(_PROBLEMS, *codes)}


def evaluations(example: dict[str, Any], *codes: int) -> dict[int | str, Any]:
    """A good evaluation, and the failures that can come instead."""
    return {200: _good(example), **{code: _failed(code) for code in codes}}


def _good(example: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"example": example}}}


def _failed(code: int) -> dict[str, Any]:
    error, details = _DETAILS.get(code) or ("GENERAL", _PROBLEMS[code][2])
    example = {"errorCode": error, "errorDetails": details}
    return {"description": details, "model": EvaluationFailure} | {
        "content": {"application/json": {"example": example}}
    }
