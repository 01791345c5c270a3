"""What failures are called and what to do about each, as application/problem+json (RFC 9457) with
the field at fault and the remedy: the form, and the words that every server of ours shares."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.routing import Match

from crds.base import Model
from runtime.limits.keys import ForbiddenError, UnauthenticatedError
from runtime.limits.visits import RateLimitedError
from runtime.web.answers import answer
from runtime.web.ratelimits import seconds

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 2


class Fault(Model):
    """One field that is not as it should be."""

    field: str
    message: str


class Problem(Model):
    """An error, after RFC 9457. ``detail`` says what to do."""

    type: str
    title: str
    status: int
    detail: str
    errors: Annotated[list[Fault] | None, Field(description="The fields at fault.")] = None
    trace_id: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A problem and the headers that go with it."""

    problem: Problem
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The last word of its type."""
        return self.problem.type.rpartition(":")[2]

    @property
    def retry_after(self) -> int | None:
        """Seconds after which it may be sent again, if that may help."""
        wait = self.headers.get("retry-after")
        return None if wait is None else int(wait)

    def response(self) -> Response:
        """Over HTTP."""
        return answer(self.problem, self.problem.status, MEDIA_TYPE, self.headers)


def problem(
    name: str,
    status: HTTPStatus,
    title: str,
    detail: str,
    *,
    errors: list[Fault] | None = None,
    headers: Mapping[str, str] | None = None,
    retry_seconds: int | None = None,
) -> Failure:
    """A failure. 503, and whatever passes by itself, tells the client to come again."""
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        retry_seconds = retry_seconds or RETRY_SECONDS
    again = {} if retry_seconds is None else {"retry-after": str(retry_seconds)}
    return Failure(
        Problem(
            type=f"urn:fabula:problem:{name}",
            title=title,
            status=status,
            detail=detail,
            errors=errors,
        ),
        {**again, **(headers or {})},
    )


_Words = Callable[[Any], Failure]
_words: dict[type[Exception], _Words] = {}


def says(*kinds: type[Exception]) -> Callable[[_Words], _Words]:
    """Registers the words for exceptions of these kinds."""

    def register(words: _Words) -> _Words:
        _words.update(dict.fromkeys(kinds, words))
        return words

    return register


def failure_of(error: BaseException) -> Failure | None:
    """What to tell of an exception. None: nobody foresaw it."""
    for kind in type(error).__mro__:
        words = _words.get(kind)
        if words is not None:
            return words(error)
    return None


def told(error: BaseException) -> Failure:
    """The same for a client that can be told in one way only: also of what nobody foresaw, without
    its words."""
    failure = failure_of(error)
    if failure is not None:
        return failure
    log.error("failed", exc_info=error)
    return problem(
        "internal-server-error",
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "Internal Server Error",
        "the server failed; its log says why",
    )


def failure_to(request: Request, error: Exception) -> Failure | None:
    """What to tell of an exception over HTTP. None: nobody foresaw it."""
    return of_http(request, error) if isinstance(error, HTTPException) else failure_of(error)


def response_to(request: Request, error: Exception) -> Response | None:
    """The response over HTTP. None: nobody foresaw it."""
    failure = failure_to(request, error)
    return None if failure is None else failure.response()


def as_problem(request: Request, failure: Failure) -> Response:
    """The form of a failure that our own APIs have."""
    return failure.response()


def install(app: FastAPI, form: Callable[[Request, Failure], Response] = as_problem) -> None:
    """Answer every known failure with its problem, or in another form."""

    async def answer(request: Request, error: Exception) -> Response:
        return form(request, failure_to(request, error) or told(error))

    for kind in (*_words, HTTPException):
        app.add_exception_handler(kind, answer)


@says(RequestValidationError)
def _invalid(error: RequestValidationError) -> Failure:
    faults = [
        Fault(field=_field(fault["loc"]), message=str(fault["msg"])) for fault in error.errors()
    ]
    first = faults[0]
    return problem(
        "invalid-request",
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "The request is not valid",
        f"{first.field}: {first.message}; correct the field and send it again",
        errors=faults,
    )


@says(UnauthenticatedError)
def _no_key(error: UnauthenticatedError) -> Failure:
    return problem(
        "unauthenticated",
        HTTPStatus.UNAUTHORIZED,
        "No API key that is known",
        f"{error}; send one as Authorization: Bearer KEY, or as X-API-Key. `fabula keys "
        "create` makes them",
        headers={"www-authenticate": 'Bearer realm="fabula"'},
    )


@says(ForbiddenError)
def _no_scope(error: ForbiddenError) -> Failure:
    return problem(
        "scope-missing",
        HTTPStatus.FORBIDDEN,
        "The key may not do this",
        f"{error}; add it to the item {error.key} of the Secret with the keys, or use a key "
        "that has it",
    )


@says(RateLimitedError)
def _rate_limited(error: RateLimitedError) -> Failure:
    wait = seconds(error.quota.wait)
    return problem(
        "rate-limited",
        HTTPStatus.TOO_MANY_REQUESTS,
        "Too many requests",
        f"{error}; send it again after {wait} s, or raise it in {error.remedy}",
        retry_seconds=wait,
    )


def of_http(request: Request, error: HTTPException) -> Failure:
    """What to tell of what the framework refused."""
    status = HTTPStatus(error.status_code)
    headers = error.headers
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers = {"allow": ", ".join(_methods(request))}
    return problem(
        status.phrase.lower().replace(" ", "-"),
        status,
        status.phrase,
        f"{request.method} {request.url.path[:200]}: {error.detail}; see "
        "/openapi.json for what there is",
        headers=headers,
    )


def _methods(request: Request) -> list[str]:
    """What may be done at this path. A route knows only its own part of it."""
    return sorted(
        method
        for route in request.app.routes
        if route.matches(request.scope)[0] != Match.NONE
        for method in getattr(route, "methods", None) or ()
    )


def _field(location: tuple[int | str, ...]) -> str:
    """``body.options.2``: where, as a person would write it."""
    inside = [str(part) for part in location if part not in ("str", "dict[str,any]")]
    return ".".join(inside)
