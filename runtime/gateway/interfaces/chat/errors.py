"""Errors as OpenAI's clients understand them, on the routes that speak their dialect."""

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Annotated, Any

import orjson
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute
from pydantic import Field

from runtime.gateway.interfaces.chat.request import Wire
from runtime.web.problems import Failure, Fault, failure_of, failure_to, problem

_TYPES = {
    HTTPStatus.UNAUTHORIZED: "authentication_error",
    HTTPStatus.FORBIDDEN: "permission_error",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_error",
}
#: Where OpenAI's name for a failure is not ours.
_CODES = {"unknown-model": "model_not_found", "unauthenticated": "invalid_api_key"}


class ErrorDetail(Wire):
    """What went wrong."""

    message: Annotated[str, Field(description="What to do about it.")]
    type: str
    param: Annotated[str | None, Field(description="The field at fault.")]
    code: Annotated[str | None, Field(description="One word for it.")]


class ErrorBody(Wire):
    """OpenAI's error."""

    error: ErrorDetail


class UnsupportedError(Exception):
    """A field asks for something that is not done here."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def body_of(failure: Failure) -> dict[str, Any]:
    """A failure in OpenAI's shape."""
    told = failure.problem
    status = HTTPStatus(told.status)
    kind = "server_error" if status >= 500 else _TYPES.get(status, "invalid_request_error")
    param = told.errors[0].field.removeprefix("body.") if told.errors else None
    code = _CODES.get(failure.name, failure.name.replace("-", "_"))
    return ErrorBody(
        error=ErrorDetail(message=told.detail, type=kind, param=param, code=code)
    ).model_dump()


class ChatRoute(APIRoute):
    """A route whose errors have OpenAI's shape."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See APIRoute."""
        handle = super().get_route_handler()

        async def translated(request: Request) -> Response:
            try:
                return await handle(request)
            except Exception as error:
                response = response_to(request, error)
                if response is None:
                    raise
                return response

        return translated


def response_to(request: Request, error: Exception) -> Response | None:
    """The response to a failure. None: nobody foresaw it."""
    failure = _failure(request, error)
    if failure is None:
        return None
    status = failure.problem.status
    return Response(
        orjson.dumps(body_of(failure)),
        # Their servers answer 400 to what is not valid, and their SDK knows it by that.
        HTTPStatus.BAD_REQUEST if status == HTTPStatus.UNPROCESSABLE_ENTITY else status,
        headers=dict(failure.headers),
        media_type="application/json",
    )


def _failure(request: Request, error: Exception) -> Failure | None:
    match error:
        case UnsupportedError():
            return _unsupported(error.field, str(error))
        case RequestValidationError():
            first = error.errors()[0]
            if first["type"] == "extra_forbidden":
                field = ".".join(str(part) for part in first["loc"][1:])
                return _unsupported(field, f"{field} is not supported here; leave it out")
            return failure_of(error)
        case _:
            return failure_to(request, error)


def _unsupported(field: str, message: str) -> Failure:
    return problem(
        "unsupported-parameter",
        HTTPStatus.BAD_REQUEST,
        "The parameter is not supported",
        message,
        errors=[Fault(field=field, message=message)],
    )
