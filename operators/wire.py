"""One request to the API server as data, and what its answers mean."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from controllers.conditions import clip
from controllers.plan import Object
from operators.errors import UnavailableError, error_for


@dataclass(frozen=True)
class Request:
    """What to send. `verb`, `kind` and `target` name it for people and metrics."""

    verb: str
    method: str
    path: str
    kind: str
    target: str
    params: Mapping[str, str] = field(default_factory=dict)
    body: Object | None = None
    content_type: str = "application/json"

    def __str__(self) -> str:
        return f"{self.verb} {self.kind} {self.target}"


def answer(request: Request, code: int, body: bytes, hint: str) -> Any:
    """The object that the API server answered with.

    Args:
        request: what was asked.
        code: HTTP status.
        body: as it came.
        hint: the Retry-After header, or nothing.

    Raises:
        ApiError: it is no object, or a refusal.
    """
    try:
        parsed: Any = json.loads(body)
    except ValueError:
        parsed = None
    if 200 <= code < 300:
        if not isinstance(parsed, dict):
            raise UnavailableError(str(request), "the answer is not a JSON object", code)
        return parsed
    status = parsed if isinstance(parsed, dict) else {}
    said = clip(str(status.get("message") or f"HTTP status {code}"), 600)
    error = error_for(code, str(status.get("reason")), str(request), said)
    if isinstance(error, UnavailableError):
        told = (status.get("details") or {}).get("retryAfterSeconds", hint)
        error.retry_after = float(told) if str(told).isdigit() else 0.0
    raise error
