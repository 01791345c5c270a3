"""What each failure of the gateway is called and what to do about it, said once for every
interface."""

import math
import sqlite3
from http import HTTPStatus

import structlog

from runtime.audit import LogDamagedError
from runtime.engines import EngineError
from runtime.gateway.guards import NotConfiguredError
from runtime.gateway.story.admission import OverloadedError
from runtime.gateway.story.paying import UnpricedError
from runtime.gateway.story.records import RecordElsewhereError
from runtime.gateway.story.teller import KeyReusedError
from runtime.groupcommit import BacklogFullError
from runtime.limits.money import BudgetExhaustedError, LedgerAwayError
from runtime.sessions import (
    FactsFullError,
    MetricsFullError,
    SessionDeletedError,
    StoreUnavailableError,
    TurnLostError,
    TurnUnderWayError,
    UnknownFactError,
    UnknownSessionError,
)
from runtime.sessions.store import FACTS, MAX_FACTS
from runtime.sessions.tally import MAX_METRICS
from runtime.web.problems import RETRY_SECONDS, Failure, Fault, problem, says

log = structlog.get_logger(__name__)


class UnknownModelError(Exception):
    """Nobody of that name answers here."""

    def __init__(self, model: str, known: list[str]) -> None:
        super().__init__(model)
        self.model = model
        self.known = known


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


@says(MetricsFullError)
def _metrics_full(error: MetricsFullError) -> Failure:
    return problem(
        "metrics-full",
        HTTPStatus.CONFLICT,
        "The session has as many metrics as it may have",
        f"a session may have {MAX_METRICS} of them; post under names that it has already",
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
