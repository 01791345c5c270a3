"""Failures as gRPC statuses: the code, the remedy as its message, the rest as trailing metadata."""

from typing import Any, NoReturn

import grpc

from runtime.web.problems import Failure, told

#: Trailing metadata: the name of the problem, and each field at fault.
PROBLEM_KEY, FIELD_KEY = "fabula-problem", "fabula-field"
#: Milliseconds after which a client may try again (gRPC A6, client retry design).
PUSHBACK_KEY = "grpc-retry-pushback-ms"

_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    402: grpc.StatusCode.RESOURCE_EXHAUSTED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.ABORTED,
    410: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}


async def refuse(context: "grpc.aio.ServicerContext[Any, Any]", error: Exception) -> NoReturn:
    """End the call with what is to be told of this exception."""
    failure = told(error)
    status = failure.problem.status
    await context.abort(
        _CODES.get(status, grpc.StatusCode.INTERNAL), failure.problem.detail, _metadata(failure)
    )
    raise AssertionError("abort raises")


def _metadata(failure: Failure) -> tuple[tuple[str, str], ...]:
    fields = [(FIELD_KEY, fault.field) for fault in failure.problem.errors or ()]
    wait = failure.retry_after
    pushback = [] if wait is None else [(PUSHBACK_KEY, str(wait * 1000))]
    return ((PROBLEM_KEY, failure.name), *fields, *pushback)
