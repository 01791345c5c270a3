"""The HTTP API: sessions, decisions, and what the gateway says of itself."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Body, Header, Path, Query, Request
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from crds.gateway import GatewayReport
from runtime.audit import Decision, Record
from runtime.gateway import examples
from runtime.gateway.gateway import Gateway
from runtime.gateway.models import (
    DecisionList,
    DecisionRequest,
    SessionRequest,
    SessionView,
)
from runtime.gateway.problems import unknown_decision, unknown_session
from runtime.gateway.sessions import Session
from runtime.gateway.teller import Question

SessionId = Annotated[
    str, Path(max_length=64, description="Id of a session.", examples=[examples.SESSION_ID])
]
DecisionId = Annotated[
    str, Path(max_length=64, description="Id of a decision.", examples=[examples.DECISION_ID])
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=128,
        pattern=r"^[\x21-\x7e]+$",
        description="Any word of yours for this question. Sent again in the same session, it gives "
        "the same decision and makes no second one.",
        examples=["turn-17"],
    ),
]


def games(gateway: Gateway) -> APIRouter:
    """What games call."""
    router = APIRouter(prefix="/v1")

    @router.post(
        "/sessions",
        summary="Begin a session",
        status_code=HTTPStatus.CREATED,
        response_model=SessionView,
        responses=examples.responses(201, examples.SESSION, 413, 422, 503),
        tags=["sessions"],
    )
    async def begin(
        body: Annotated[SessionRequest | None, Body(openapi_examples=examples.SESSION_REQUESTS)] = (
            None
        ),
    ) -> Response:
        """A session is one play-through: its last turns are told to the members with each
        question. It is on the gateway's volume once this answers."""
        request = body or SessionRequest()
        session = await gateway.sessions.create(request.player, request.context)
        return _json(_view(session), HTTPStatus.CREATED)

    @router.get(
        "/sessions/{session}",
        summary="Look at a session",
        response_model=SessionView,
        responses=examples.responses(200, examples.SESSION, 404, 422),
        tags=["sessions"],
    )
    async def look(session: SessionId) -> Response:
        """Who plays, what was said at its beginning, how many decisions it has."""
        found = await gateway.sessions.get(session)
        return unknown_session(session) if found is None else _json(_view(found))

    @router.post(
        "/sessions/{session}/decisions",
        summary="Ask for a decision",
        response_model=Decision,
        responses=examples.responses(200, examples.DECISION, 404, 409, 413, 422, 503),
        tags=["decisions"],
    )
    async def decide(
        request: Request,
        session: SessionId,
        body: Annotated[DecisionRequest, Body(openapi_examples=examples.DECISION_REQUESTS)],
        idempotency_key: IdempotencyKey = None,
    ) -> Response:
        """Every member is asked at the same time; their weighted vote decides, or another method of
        the ensemble. When too few answer, the best of them does, or the declared fallback: the
        status is 200 in each case, and `outcome` says which. The decision is in the log once this
        answers."""
        question = Question(
            body.question, tuple(body.options) if body.options else None, body.context
        )
        record = await gateway.teller.decide(
            session, question, request.state.trace, idempotency_key
        )
        return _json(Decision.of(record))

    @router.get(
        "/decisions/{decision}",
        summary="Read the record of a decision",
        response_model=Record,
        responses=examples.responses(200, examples.RECORD, 404, 422),
        tags=["decisions"],
    )
    async def read(decision: DecisionId) -> Response:
        """Everything that made it: the question, every candidate, how they were counted."""
        record = await gateway.decisions.get(decision)
        return unknown_decision(decision) if record is None else _json(record)

    @router.get(
        "/decisions",
        summary="List decisions",
        response_model=DecisionList,
        responses=examples.responses(200, examples.DECISIONS, 404, 422),
        tags=["decisions"],
    )
    async def latest(
        session: Annotated[
            str | None, Query(max_length=64, description="Only those of this session.")
        ] = None,
        limit: Annotated[int, Query(ge=1, le=100, description="At most so many.")] = 20,
    ) -> Response:
        """The latest decisions in this gateway's log, newest first."""
        if session is None:
            records = await gateway.decisions.latest(limit)
        elif await gateway.sessions.get(session) is None:
            return unknown_session(session)
        else:
            ids = await gateway.sessions.decisions(session, limit)
            found = [await gateway.decisions.get(each) for each in ids]
            records = [record for record in found if record is not None]
        return _json(DecisionList(decisions=[Decision.of(record) for record in records]))

    @router.get(
        "/status",
        summary="See who answers",
        response_model=GatewayReport,
        responses=examples.responses(200, examples.STATUS),
        tags=["gateway"],
    )
    async def status() -> Response:
        """What this gateway follows and which members answer, as the operator reads it."""
        return _json(gateway.report())

    return router


def probes(gateway: Gateway) -> APIRouter:
    """What Kubernetes and Prometheus call."""
    router = APIRouter(tags=["gateway"])

    @router.get(
        "/livez",
        summary="Is the process alive",
        response_class=PlainTextResponse,
        responses={200: {"content": {"text/plain": {"example": "ok"}}}},
    )
    async def livez() -> PlainTextResponse:
        """Always `ok`: whether members answer is no reason to restart the gateway."""
        return PlainTextResponse("ok")

    @router.get(
        "/readyz",
        summary="Should clients come here",
        response_class=PlainTextResponse,
        responses={
            200: {"content": {"text/plain": {"example": "ok"}}},
            503: {
                "description": "Not now; the text says why.",
                "content": {"text/plain": {"example": "waiting for the operator's configuration"}},
            },
        },
    )
    async def readyz() -> PlainTextResponse:
        """`ok` when it is configured and not being stopped. It needs no member for that: without
        any, it answers with the fallback."""
        reason = gateway.unready
        if reason is not None:
            return PlainTextResponse(reason, HTTPStatus.SERVICE_UNAVAILABLE)
        return PlainTextResponse("ok")

    @router.get(
        "/metrics",
        summary="Prometheus metrics",
        response_class=PlainTextResponse,
        responses={
            200: {"content": {"text/plain": {"example": "fabula_gateway_log_records 42.0"}}}
        },
    )
    async def metrics() -> Response:
        """Decisions by outcome, latencies, failures by member, what is in flight."""
        gateway.metrics.in_flight.set(gateway.admission.inside)
        gateway.metrics.waiting.set(gateway.admission.waiting)
        gateway.metrics.log_records.set(len(gateway.decisions))
        return Response(
            generate_latest(gateway.metrics.registry), headers={"content-type": CONTENT_TYPE_LATEST}
        )

    return router


def _json(body: BaseModel, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """Serialised once, by the model itself."""
    return Response(
        body.model_dump_json(by_alias=True, exclude_none=True),
        status_code=status,
        media_type="application/json",
    )


def _view(session: Session) -> SessionView:
    return SessionView(
        id=session.id,
        created=session.created,
        player=session.player,
        context=session.context
        if isinstance(session.context, str)
        else (None if session.context is None else dict(session.context)),
        turns=session.turns,
    )
