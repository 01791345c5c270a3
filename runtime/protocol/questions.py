"""Requests in protobuf's words, checked as those in JSON are."""

import re
from dataclasses import dataclass
from typing import Any

from fastapi.exceptions import RequestValidationError
from google.protobuf import json_format
from pydantic import ValidationError

from runtime.gateway.interfaces.models import DecisionRequest
from runtime.gateway.story.inquiry import Question
from runtime.protocol.model_ensemble_pb2 import PredictRequest

#: Part of the given time that is kept back for the log and the way home, and the most of it in
#: seconds.
MARGIN_SHARE, MAX_MARGIN_SECONDS = 0.1, 0.25

_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
#: Where our fields stand in the .proto.
_FIELDS = {
    "question": "parameters.question",
    "options": "parameters.options",
    "task": "parameters.task",
    "context": "context.facts",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A valid request. ``seconds``: how long the caller waits; None: as long as it takes."""

    session: str
    question: Question
    key: str | None
    seconds: float | None

    @property
    def patience(self) -> float | None:
        """How long members may take."""
        if self.seconds is None:
            return None
        return self.seconds - min(self.seconds * MARGIN_SHARE, MAX_MARGIN_SECONDS)


def asked(request: PredictRequest, time_remaining: float | None) -> Asked:
    """What is asked. ``time_remaining`` is what the call's own deadline leaves, in seconds.

    Raises:
        RequestValidationError: fields are not as they should be.
    """
    if not request.context.session_id:
        raise _invalid("context.session_id", "required; begin one with POST /v1/sessions")
    if request.request_id and not _REQUEST_ID.fullmatch(request.request_id):
        raise _invalid("request_id", "must be at most 128 visible ASCII characters")
    parameters = request.parameters
    try:
        valid = DecisionRequest.model_validate(
            {
                "question": parameters.question,
                "options": list(parameters.options) or None,
                "context": _facts(request),
                "task": parameters.task or None,
            }
        )
    except ValidationError as error:
        faults = [
            {**fault, "loc": (_FIELDS[str(fault["loc"][0])], *fault["loc"][1:])}
            for fault in error.errors()
        ]
        raise RequestValidationError(faults) from None
    options = tuple(valid.options) if valid.options else None
    waits = [request.timeout_ms / 1000] if request.timeout_ms else []
    if time_remaining is not None:
        waits.append(time_remaining)
    return Asked(
        session=request.context.session_id,
        question=Question(valid.question, options, valid.context, valid.task),
        key=request.request_id or None,
        seconds=min(waits) if waits else None,
    )


def _facts(request: PredictRequest) -> Any:
    if not request.context.HasField("facts"):
        return None
    try:
        return _whole(json_format.MessageToDict(request.context.facts))
    except ValueError:  # NaN, infinity, a Value without one
        raise _invalid("context.facts", "must be plain JSON; leave out what is not") from None


def _invalid(field: str, message: str) -> RequestValidationError:
    return RequestValidationError([{"loc": (field,), "msg": message, "type": "value_error"}])


def _whole(value: Any) -> Any:
    """A Struct knows no integers: 18.0 is 18 again."""
    match value:
        case dict():
            return {name: _whole(each) for name, each in value.items()}
        case list():
            return [_whole(each) for each in value]
        case float() if value.is_integer():
            return int(value)
    return value
