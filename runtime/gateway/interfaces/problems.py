"""What each failure is called and what to do about it, said once for every interface: over HTTP as
application/problem+json (RFC 9457), each with the field at fault and the remedy."""

import math
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.routing import Match

from runtime.audit import LogDamagedError
from runtime.engines import EngineError
from runtime.gateway.guards import NotConfiguredError, RateLimitedError
from runtime.gateway.interfaces.models import Fault, Problem
from runtime.gateway.interfaces.ratelimits import seconds
from runtime.gateway.story.admission import OverloadedError
from runtime.gateway.story.paying import UnpricedError
from runtime.gateway.story.records import RecordElsewhereError
from runtime.gateway.story.teller import KeyReusedError
from runtime.groupcommit import BacklogFullError
from runtime.limits.keys import ForbiddenError, UnauthenticatedError
from runtime.limits.money import BudgetExhaustedError, LedgerAwayError
from runtime.sessions import (
    FactsFullError,
    SessionDeletedError,
    StoreUnavailableError,
    TurnLostError,
    TurnUnderWayError,
    UnknownFactError,
    UnknownSessionError,
)
from runtime.sessions.store import FACTS, MAX_FACTS

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 2


class UnknownModelError(Exception):
    """Nobody of that name answers here."""

    def __init__(self, model: str, known: list[str]) -> None:
        super().__init__(model)
        self.model = model
        self.known = known


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
        return Response(
            self.problem.model_dump_json(by_alias=True, exclude_none=True),
            status_code=self.problem.status,
            media_type=MEDIA_TYPE,
            headers=dict(self.headers),
        )


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
        "the gateway failed; its log says why",
    )


def response_to(request: Request, error: Exception) -> Response | None:
    """The response over HTTP. None: nobody foresaw it."""
    if isinstance(error, HTTPException):
        return of_http(request, error).response()
    failure = failure_of(error)
    return None if failure is None else failure.response()


def install(app: FastAPI) -> None:
    """Answer every known failure with its problem."""

    async def answer(request: Request, error: Exception) -> Response:
        return response_to(request, error) or told(error).response()

    for kind in (*_words, HTTPException):
        app.add_exception_handler(kind, answer)


def turn_under_way(retry_seconds: float) -> Failure:
    """One turn of a session at a time."""
    wait = max(1, min(RETRY_SECONDS, math.ceil(retry_seconds)))
    return problem(
        "turn-under-way",
        HTTPStatus.CONFLICT,
        "Another turn is being told",
        "a session tells one turn at a time; wait for the answer to the question before, then "
        f"send this one with its Idempotency-Key again (Retry-After: {wait} s). If the gateway "
        f"that told it has died, the session is free in {math.ceil(retry_seconds)} s",
        retry_seconds=wait,
    )


def unknown_session(session: str) -> Failure:
    """There is no session of that id."""
    return problem(
        "unknown-session",
        HTTPStatus.NOT_FOUND,
        "No such session",
        f"no session has the id {session[:64]!r}; begin one with POST /v1/sessions",
    )


def unknown_decision(decision: str) -> Failure:
    """There is no decision of that id."""
    return problem(
        "unknown-decision",
        HTTPStatus.NOT_FOUND,
        "No such decision",
        f"this gateway's log has no decision {decision[:64]!r}; use the id that a decision came "
        "with, or list them with GET /v1/decisions",
    )


def too_large(limit: int) -> Failure:
    """More was sent than a request may have."""
    return problem(
        "request-entity-too-large",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "Request Entity Too Large",
        f"a message may have {limit} bytes; send less context",
    )


def not_everywhere() -> Failure:
    """A replica still has words that are to be destroyed."""
    return problem(
        "not-everywhere",
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Not every gateway was reached",
        "the words are destroyed here and not yet in the log of every replica; wait until all of "
        "them are ready and send it again",
    )


def draining() -> Failure:
    """This gateway is being stopped."""
    return problem(
        "draining",
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The gateway is being stopped",
        f"connect again after {RETRY_SECONDS} s: another one, or the same after its restart, "
        "answers then",
    )


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


@says(UnknownSessionError)
def _no_session(error: UnknownSessionError) -> Failure:
    return unknown_session(str(error))


@says(SessionDeletedError)
def _session_deleted(error: SessionDeletedError) -> Failure:
    return problem(
        "session-deleted",
        HTTPStatus.GONE,
        "The session was deleted",
        f"session {str(error)[:64]!r} was deleted on request; begin another with POST /v1/sessions",
    )


@says(TurnUnderWayError)
def _under_way(error: TurnUnderWayError) -> Failure:
    return turn_under_way(error.retry_seconds)


@says(TurnLostError)
def _overtaken(error: TurnLostError) -> Failure:
    return turn_under_way(RETRY_SECONDS)


@says(UnknownFactError)
def _no_fact(error: UnknownFactError) -> Failure:
    return problem(
        "unknown-fact",
        HTTPStatus.NOT_FOUND,
        "No such fact",
        f"the session has no fact {str(error)[:64]!r}; list them with GET "
        "/v1/sessions/{session}/facts",
    )


@says(FactsFullError)
def _facts_full(error: FactsFullError) -> Failure:
    return problem(
        "facts-full",
        HTTPStatus.CONFLICT,
        "The session has as many facts as it may have",
        f"a session may have {MAX_FACTS} facts of {FACTS} characters together, since all of "
        "them are told with every question; delete one first",
    )


@says(StoreUnavailableError)
def _store_unavailable(error: StoreUnavailableError) -> Failure:
    log.error("store_unavailable", reason=str(error))
    return problem(
        "store-unavailable",
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The session store does not answer",
        f"{error}; send it again with the same Idempotency-Key",
    )


@says(RecordElsewhereError)
def _elsewhere(error: RecordElsewhereError) -> Failure:
    return problem(
        "record-elsewhere",
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The replica that has this decision does not answer",
        f"decision {error} was made under this Idempotency-Key, and the gateway whose log has "
        "it is away; send it again",
    )


@says(KeyReusedError)
def _key_reused(error: KeyReusedError) -> Failure:
    return problem(
        "idempotency-key-reused",
        HTTPStatus.CONFLICT,
        "The key stands for another question",
        "Idempotency-Key was sent before in this session with another question; use a new key "
        "for each question and the same key only to repeat one",
    )


@says(OverloadedError)
def _overloaded(error: OverloadedError) -> Failure:
    return problem(
        "overloaded",
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Too many decisions at once",
        f"{error}; send it again after {RETRY_SECONDS} s",
    )


@says(NotConfiguredError)
def _not_configured(error: NotConfiguredError) -> Failure:
    return problem(
        "not-configured",
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The gateway has no configuration yet",
        "the operator has not written the gateway's ConfigMap; see `kubectl describe storyteller`",
    )


@says(OSError, sqlite3.Error, BacklogFullError)
def _volume_refused(error: Exception) -> Failure:
    log.error("volume_refused", reason=str(error))
    return problem(
        "volume-refused",
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The decision cannot be written down",
        f"the gateway's volume refused a write ({error}), and no decision is given that is not "
        "recorded; free or enlarge the volume and send it again",
    )


@says(LogDamagedError)
def _damaged(error: LogDamagedError) -> Failure:
    log.error("log_damaged", reason=str(error))
    return problem(
        "log-damaged",
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "The record cannot be read",
        f"the stored record fails its checksum ({error}); look at the gateway's volume",
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
        f"{error}; send it again after {wait} s, or raise it in spec.limits of the Storyteller",
        retry_seconds=wait,
    )


@says(LedgerAwayError)
def _ledger_away(error: LedgerAwayError) -> Failure:
    log.error("ledger_away", reason=str(error))
    return problem(
        "ledger-away",
        HTTPStatus.SERVICE_UNAVAILABLE,
        "Nobody can say whether there is money",
        f"a cap is set and what was spent cannot be read ({error}), so nothing that costs is "
        f"asked; send it again after {RETRY_SECONDS} s",
    )


@says(BudgetExhaustedError, UnpricedError)
def _no_money(error: Exception) -> Failure:
    return problem(
        "budget-exhausted",
        HTTPStatus.TOO_MANY_REQUESTS,
        "There is no money for it",
        f"{error}; ask the storyteller, who goes on without what cannot be paid for",
    )


@says(TimeoutError)  # which is an OSError
def _too_late(error: TimeoutError) -> Failure:
    return problem(
        "timeout",
        HTTPStatus.GATEWAY_TIMEOUT,
        "There was no answer in time",
        "the time that you gave is over; send it again with the same key, or give more time",
    )


@says(UnknownModelError)
def _no_model(error: UnknownModelError) -> Failure:
    return problem(
        "unknown-model",
        HTTPStatus.NOT_FOUND,
        "No such model",
        f"nobody here is called {error.model[:64]!r}; use one of {', '.join(error.known)}",
        errors=[Fault(field="model", message="unknown")],
    )


@says(EngineError)
def _member_failed(error: EngineError) -> Failure:
    again = {} if error.retry_after is None else {"retry-after": str(math.ceil(error.retry_after))}
    if not error.blames_member:
        return problem(
            "member-refused",
            HTTPStatus.BAD_REQUEST,
            "The member refuses the request",
            f"{error}; ask for less, or another member",
        )
    if error.kind in ("Timeout", "Stalled"):
        return problem(
            "member-timeout",
            HTTPStatus.GATEWAY_TIMEOUT,
            "The member took too long",
            f"{error}; send it again, or ask the storyteller, who does not depend on one member",
        )
    return problem(
        "member-failed",
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The member gives no answer",
        f"{error}; send it again, or ask the storyteller, who does not depend on one member",
        headers=again,
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
