"""Errors as application/problem+json (RFC 9457), each with the field at fault and the remedy."""

import math
import sqlite3
from http import HTTPStatus

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from runtime.audit import LogDamagedError
from runtime.gateway.admission import OverloadedError
from runtime.gateway.guards import NotConfiguredError, RateLimitedError
from runtime.gateway.models import Fault, Problem
from runtime.gateway.ratelimits import seconds
from runtime.gateway.teller import KeyReusedError, RecordElsewhereError
from runtime.groupcommit import BacklogFullError
from runtime.limits.keys import ForbiddenError, UnauthenticatedError
from runtime.limits.money import LedgerAwayError
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


def problem(
    name: str,
    status: HTTPStatus,
    title: str,
    detail: str,
    *,
    errors: list[Fault] | None = None,
    trace_id: str | None = None,
    retry_seconds: int | None = None,
) -> Response:
    """The response. 503, and whatever passes by itself, tells the client to come again."""
    body = Problem(
        type=f"urn:fabula:problem:{name}",
        title=title,
        status=status,
        detail=detail,
        errors=errors,
        trace_id=trace_id,
    )
    headers = {}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        retry_seconds = retry_seconds or RETRY_SECONDS
    if retry_seconds is not None:
        headers["retry-after"] = str(retry_seconds)
    return Response(
        body.model_dump_json(by_alias=True, exclude_none=True),
        status_code=status,
        media_type=MEDIA_TYPE,
        headers=headers,
    )


def turn_under_way(retry_seconds: float) -> Response:
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


def unknown_session(session: str) -> Response:
    """There is no session of that id."""
    return problem(
        "unknown-session",
        HTTPStatus.NOT_FOUND,
        "No such session",
        f"no session has the id {session[:64]!r}; begin one with POST /v1/sessions",
    )


def unknown_decision(decision: str) -> Response:
    """There is no decision of that id."""
    return problem(
        "unknown-decision",
        HTTPStatus.NOT_FOUND,
        "No such decision",
        f"this gateway's log has no decision {decision[:64]!r}; use the id that a decision came "
        "with, or list them with GET /v1/decisions",
    )


def install(app: FastAPI) -> None:
    """Answer every known failure with its problem."""

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
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

    @app.exception_handler(UnknownSessionError)
    async def no_session(request: Request, error: UnknownSessionError) -> Response:
        return unknown_session(str(error))

    @app.exception_handler(SessionDeletedError)
    async def session_deleted(request: Request, error: SessionDeletedError) -> Response:
        return problem(
            "session-deleted",
            HTTPStatus.GONE,
            "The session was deleted",
            f"session {str(error)[:64]!r} was deleted on request; begin another with POST "
            "/v1/sessions",
        )

    @app.exception_handler(TurnUnderWayError)
    async def under_way(request: Request, error: TurnUnderWayError) -> Response:
        return turn_under_way(error.retry_seconds)

    @app.exception_handler(TurnLostError)
    async def overtaken(request: Request, error: TurnLostError) -> Response:
        return turn_under_way(RETRY_SECONDS)

    @app.exception_handler(UnknownFactError)
    async def no_fact(request: Request, error: UnknownFactError) -> Response:
        return problem(
            "unknown-fact",
            HTTPStatus.NOT_FOUND,
            "No such fact",
            f"the session has no fact {str(error)[:64]!r}; list them with GET "
            "/v1/sessions/{session}/facts",
        )

    @app.exception_handler(FactsFullError)
    async def facts_full(request: Request, error: FactsFullError) -> Response:
        return problem(
            "facts-full",
            HTTPStatus.CONFLICT,
            "The session has as many facts as it may have",
            f"a session may have {MAX_FACTS} facts of {FACTS} characters together, since all of "
            "them are told with every question; delete one first",
        )

    @app.exception_handler(StoreUnavailableError)
    async def store_unavailable(request: Request, error: StoreUnavailableError) -> Response:
        log.error("store_unavailable", reason=str(error))
        return problem(
            "store-unavailable",
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The session store does not answer",
            f"{error}; send it again with the same Idempotency-Key",
        )

    @app.exception_handler(RecordElsewhereError)
    async def elsewhere(request: Request, error: RecordElsewhereError) -> Response:
        return problem(
            "record-elsewhere",
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The replica that has this decision does not answer",
            f"decision {error} was made under this Idempotency-Key, and the gateway whose log has "
            "it is away; send it again",
        )

    @app.exception_handler(KeyReusedError)
    async def key_reused(request: Request, error: KeyReusedError) -> Response:
        return problem(
            "idempotency-key-reused",
            HTTPStatus.CONFLICT,
            "The key stands for another question",
            "Idempotency-Key was sent before in this session with another question; use a new key "
            "for each question and the same key only to repeat one",
        )

    @app.exception_handler(OverloadedError)
    async def overloaded(request: Request, error: OverloadedError) -> Response:
        return problem(
            "overloaded",
            HTTPStatus.SERVICE_UNAVAILABLE,
            "Too many decisions at once",
            f"{error}; send it again after {RETRY_SECONDS} s",
        )

    @app.exception_handler(NotConfiguredError)
    async def not_configured(request: Request, error: NotConfiguredError) -> Response:
        return problem(
            "not-configured",
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The gateway has no configuration yet",
            "the operator has not written the gateway's ConfigMap; see `kubectl describe "
            "storyteller`",
        )

    @app.exception_handler(UnauthenticatedError)
    async def no_key(request: Request, error: UnauthenticatedError) -> Response:
        response = problem(
            "unauthenticated",
            HTTPStatus.UNAUTHORIZED,
            "No API key that is known",
            f"{error}; send one as Authorization: Bearer KEY, or as X-API-Key. `fabula keys "
            "create` makes them",
        )
        response.headers["www-authenticate"] = 'Bearer realm="fabula"'
        return response

    @app.exception_handler(ForbiddenError)
    async def no_scope(request: Request, error: ForbiddenError) -> Response:
        return problem(
            "scope-missing",
            HTTPStatus.FORBIDDEN,
            "The key may not do this",
            f"{error}; add it to the item {error.key} of the Secret with the keys, or use a key "
            "that has it",
        )

    @app.exception_handler(RateLimitedError)
    async def rate_limited(request: Request, error: RateLimitedError) -> Response:
        wait = seconds(error.quota.wait)
        response = problem(
            "rate-limited",
            HTTPStatus.TOO_MANY_REQUESTS,
            "Too many requests",
            f"{error}; send it again after {wait} s, or raise it in spec.limits of the Storyteller",
        )
        response.headers["retry-after"] = str(wait)
        return response

    @app.exception_handler(LedgerAwayError)
    async def ledger_away(request: Request, error: LedgerAwayError) -> Response:
        log.error("ledger_away", reason=str(error))
        return problem(
            "ledger-away",
            HTTPStatus.SERVICE_UNAVAILABLE,
            "Nobody can say whether there is money",
            f"a cap is set and what was spent cannot be read ({error}), so nothing that costs is "
            f"asked; send it again after {RETRY_SECONDS} s",
        )

    @app.exception_handler(OSError)
    @app.exception_handler(sqlite3.Error)
    @app.exception_handler(BacklogFullError)
    async def volume_refused(request: Request, error: Exception) -> Response:
        log.error("volume_refused", reason=str(error))
        return problem(
            "volume-refused",
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The decision cannot be written down",
            f"the gateway's volume refused a write ({error}), and no decision is given that is not "
            "recorded; free or enlarge the volume and send it again",
        )

    @app.exception_handler(LogDamagedError)
    async def damaged(request: Request, error: LogDamagedError) -> Response:
        log.error("log_damaged", reason=str(error))
        return problem(
            "log-damaged",
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "The record cannot be read",
            f"the stored record fails its checksum ({error}); look at the gateway's volume",
        )

    @app.exception_handler(HTTPException)
    async def other(request: Request, error: HTTPException) -> Response:
        status = HTTPStatus(error.status_code)
        response = problem(
            status.phrase.lower().replace(" ", "-"),
            status,
            status.phrase,
            f"{request.method} {request.url.path[:200]}: {error.detail}; see "
            "/openapi.json for what there is",
        )
        response.headers.update(error.headers or {})
        return response


def _field(location: tuple[int | str, ...]) -> str:
    """``body.options.2``: where, as a person would write it."""
    inside = [str(part) for part in location if part not in ("str", "dict[str,any]")]
    return ".".join(inside)
