"""The HTTP API: sessions, decisions, and what the gateway says of itself."""

import re
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Header, Path, Query, Request
from fastapi.responses import Response
from prometheus_client import CollectorRegistry

from crds.gateway import GatewayReport
from crds.observations import Observations
from runtime.audit import Decision, Record
from runtime.gateway.gateway import Gateway
from runtime.gateway.interfaces import examples
from runtime.gateway.interfaces.answers import DecisionId
from runtime.gateway.interfaces.guarded import Guarded
from runtime.gateway.interfaces.models import (
    DecisionList,
    DecisionRequest,
    FactList,
    FactRequest,
    FactView,
    Filter,
    MetricsRequest,
    SessionList,
    SessionRequest,
    SessionView,
)
from runtime.gateway.interfaces.problems import not_everywhere, unknown_decision
from runtime.gateway.interfaces.shortcuts import Shortcut
from runtime.gateway.interfaces.telling import told, wants_events
from runtime.gateway.peers import HEADER as PEER
from runtime.gateway.story.inquiry import Inquiry, Question
from runtime.gateway.upkeep.observing import MAX_OBSERVATIONS
from runtime.limits.visits import Visit
from runtime.sessions import Session
from runtime.sessions.store import MAX_BY_PLAYER
from runtime.web.answers import answer
from runtime.web.probes import Words, probes

SessionId = Annotated[
    str, Path(max_length=64, description="Id of a session.", examples=[examples.SESSION_ID])
]
FactId = Annotated[str, Path(max_length=64, description="Id of a fact.", examples=["f-1"])]
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
CacheControl = Annotated[
    str | None,
    Header(
        max_length=256,
        description="`no-cache` asks the members even where an earlier answer could be given "
        "again; the new answer takes its place.",
        examples=["no-cache"],
    ),
]
Tester = Annotated[
    str | None,
    Header(
        max_length=63,
        description="Who tests what is rolled out: the session is told by the new revision if the "
        "rollout names this tester. An API key needs the scope `test` for it.",
        examples=["ann"],
    ),
]


def games(gateway: Gateway, shortcuts: list[Shortcut]) -> APIRouter:
    """What games call, and the short way to what they call all the time."""
    router = APIRouter(prefix="/v1")
    decides, reads = Depends(Guarded(gateway, "decide")), Depends(Guarded(gateway, "read"))

    @router.post(
        "/sessions",
        summary="Begin a session",
        status_code=HTTPStatus.CREATED,
        response_model=SessionView,
        responses=examples.responses(201, examples.SESSION, 401, 403, 413, 422, 429, 503),
        tags=["sessions"],
    )
    async def begin(
        visit: Annotated[Visit, Depends(Guarded(gateway, "decide"))],
        body: Annotated[SessionRequest | None, Body(openapi_examples=examples.SESSION_REQUESTS)] = (
            None
        ),
        fabula_tester: Tester = None,
    ) -> Response:
        """A session is one play-through: its last turns are told to the members with each
        question. It is kept once this answers."""
        request = body or SessionRequest()
        tester = visit.tester(fabula_tester)
        session = await gateway.begin(request.player, request.context, tester, request.cohorts)
        return answer(_view(session), HTTPStatus.CREATED)

    @router.get(
        "/sessions/{session}",
        summary="Look at a session",
        dependencies=[reads],
        response_model=SessionView,
        responses=examples.responses(200, examples.SESSION, 401, 403, 404, 410, 422, 429, 503),
        tags=["sessions"],
    )
    async def look(session: SessionId) -> Response:
        """Who plays, what was said at its beginning, how many decisions it has."""
        return answer(_view(await gateway.sessions.get(session)))

    @router.get(
        "/sessions",
        summary="Find the sessions of a player",
        dependencies=[reads],
        response_model=SessionList,
        responses=examples.responses(200, examples.SESSIONS, 401, 403, 422, 429, 503),
        tags=["sessions"],
    )
    async def of_player(
        player: Annotated[str, Query(min_length=1, max_length=80, description="Who plays.")],
        limit: Annotated[int, Query(ge=1, le=MAX_BY_PLAYER, description="At most so many.")] = 20,
    ) -> Response:
        """The player's sessions, newest first."""
        found = await gateway.sessions.by_player(player, limit)
        return answer(SessionList(sessions=[_view(each) for each in found]))

    @router.delete(
        "/sessions/{session}",
        summary="Delete a session",
        status_code=HTTPStatus.NO_CONTENT,
        responses=examples.problems(401, 403, 404, 422, 429, 503),
        tags=["sessions"],
    )
    async def delete(
        request: Request,
        session: SessionId,
        visit: Annotated[Visit, Depends(Guarded(gateway, "admin", peers="admin"))],
    ) -> Response:
        """Its player, context, turns, facts and summary are forgotten at once; for a day, whoever
        asks for it is told that it was deleted. Its decisions stay in the log; without a player
        their words are destroyed, in the log of every replica. Send it again while it answers 503:
        a replica was not reached."""
        await gateway.forget(session)
        if PEER not in request.headers:
            reached = await gateway.peers.forget(
                "sessions", session, visit.credential, replicas=gateway.replicas
            )
            if reached is None:
                return not_everywhere().response()
        return Response(status_code=HTTPStatus.NO_CONTENT)

    @router.post(
        "/sessions/{session}/facts",
        summary="Pin a fact",
        dependencies=[decides],
        status_code=HTTPStatus.CREATED,
        response_model=FactView,
        responses=examples.responses(
            201, examples.FACT, 401, 403, 404, 409, 410, 413, 422, 429, 503
        ),
        tags=["sessions"],
    )
    async def pin(
        session: SessionId,
        body: Annotated[FactRequest, Body(openapi_examples=examples.FACT_REQUESTS)],
    ) -> Response:
        """What must never be forgotten. Every member is told it with every question, word for
        word, through every hand-over. The same words again change nothing."""
        fact = await gateway.sessions.pin(session, body.text)
        return answer(FactView(id=fact.id, text=fact.text), HTTPStatus.CREATED)

    @router.get(
        "/sessions/{session}/facts",
        summary="List the facts",
        dependencies=[reads],
        response_model=FactList,
        responses=examples.responses(200, examples.FACTS, 401, 403, 404, 410, 422, 429, 503),
        tags=["sessions"],
    )
    async def facts(session: SessionId) -> Response:
        """In the order in which they were pinned."""
        found = await gateway.sessions.facts(session)
        return answer(FactList(facts=[FactView(id=fact.id, text=fact.text) for fact in found]))

    @router.delete(
        "/sessions/{session}/facts/{fact}",
        summary="Take a fact away",
        dependencies=[decides],
        status_code=HTTPStatus.NO_CONTENT,
        responses=examples.problems(401, 403, 404, 410, 422, 429, 503),
        tags=["sessions"],
    )
    async def unpin(session: SessionId, fact: FactId) -> Response:
        """It is not told any more."""
        await gateway.sessions.unpin(session, fact)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    @router.post(
        "/sessions/{session}/metrics",
        summary="Say how a session goes",
        status_code=HTTPStatus.NO_CONTENT,
        responses=examples.problems(401, 403, 404, 409, 410, 413, 422, 429, 503),
        tags=["sessions"],
    )
    async def measured(
        session: SessionId,
        body: Annotated[MetricsRequest, Body(openapi_examples=examples.METRICS_REQUESTS)],
        visit: Annotated[Visit, Depends(Guarded(gateway, "decide"))],
    ) -> Response:
        """Values by the names that the World declares. While a rollout or an experiment is judged
        they are held against each other between its arms; of other sessions, and after a session's
        window, they are let go. The last value of a name counts, so it may be sent again."""
        await gateway.measured(session, body, visit.caller.key)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    @router.post(
        "/sessions/{session}/decisions",
        summary="Ask for a decision",
        response_model=Decision,
        responses=examples.streamed(
            examples.responses(200, examples.DECISION, 401, 403, 404, 409, 410, 413, 422, 429, 503),
            examples.DECISION_EVENTS,
        ),
        tags=["decisions"],
    )
    async def decide(
        request: Request,
        session: SessionId,
        body: Annotated[DecisionRequest, Body(openapi_examples=examples.DECISION_REQUESTS)],
        visit: Annotated[Visit, Depends(Guarded(gateway, "decide", counted=False))],
        idempotency_key: IdempotencyKey = None,
        cache_control: CacheControl = None,
    ) -> Response:
        """Every member is asked at the same time; their weighted vote decides, or another method of
        the ensemble. When too few answer, the best of them does, or the declared fallback: the
        status is 200 in each case, and `outcome` says which. The decision is in the log once this
        answers.

        With `Accept: text/event-stream` it is told while it is made: an event `candidate` for each
        member that answers, fails or is out (one of the `votes`), then `decision`, or `problem` if
        it fails after that. A client that goes away ends it, unless it has an Idempotency-Key."""
        question = Question(
            body.question,
            tuple(body.options) if body.options else None,
            body.context,
            task=body.task,
            fresh=wants_fresh(cache_control),
        )
        inquiry = Inquiry(session, question, request.state.trace, visit, idempotency_key)
        if wants_events(request.headers.get("accept", "")):
            decide = gateway.teller.decide
            return await told(request, lambda watch: decide(replace(inquiry, watch=watch)))
        return answer(Decision.of(await gateway.teller.decide(inquiry)))

    shortcuts.append(
        Shortcut(
            "/v1/sessions/(?P<session>[^/]{1,64})/decisions",
            DecisionRequest,
            decide,
            {
                "idempotency_key": re.compile("[!-~]{1,128}"),
                "cache_control": re.compile(".{1,256}"),
            },
        )
    )

    @router.get(
        "/decisions/{decision}",
        summary="Read the record of a decision",
        response_model=Record,
        responses=examples.responses(200, examples.RECORD, 401, 403, 404, 422, 429, 503),
        tags=["decisions"],
    )
    async def read(
        request: Request,
        decision: DecisionId,
        visit: Annotated[Visit, Depends(Guarded(gateway, "read", peers="decide"))],
        session: Annotated[str | None, Query(max_length=64, include_in_schema=False)] = None,
    ) -> Response:
        """Everything that made it: the question, every candidate, how they were counted. Whichever
        replica has it in its log, any one answers."""
        if PEER in request.headers:
            record = await gateway.decisions.get(decision)
            if record is not None and not visit.caller.may("read") and record.session != session:
                record = None  # a replica asks for who may decide, in another session
        else:
            record = await gateway.records.find(decision, visit)
        if record is None:
            return unknown_decision(decision).response()
        return answer(record)

    @router.get(
        "/decisions",
        summary="List decisions",
        response_model=DecisionList,
        responses=examples.responses(200, examples.DECISIONS, 401, 403, 404, 410, 422, 429, 503),
        tags=["decisions"],
    )
    async def latest(
        visit: Annotated[Visit, Depends(Guarded(gateway, "read"))],
        found: Annotated[Filter, Query()],
    ) -> Response:
        """The latest decisions of a session, or in this gateway's log, newest first. The other
        filters search this gateway's log by an index that is seconds behind, and `indexedTo` says
        how far it is."""
        if found.searches:
            records, indexed = await gateway.indexing.find(found.query)
            return answer(
                DecisionList(
                    decisions=[Decision.of(record) for record in records], indexed_to=indexed
                )
            )
        if found.session is None:
            records = await gateway.decisions.latest(found.limit)
        else:
            ids = await gateway.sessions.decisions(found.session, found.limit)
            records = await gateway.records.find_all(ids, visit)
        return answer(DecisionList(decisions=[Decision.of(record) for record in records]))

    @router.get(
        "/status",
        summary="See who answers",
        response_model=GatewayReport,
        responses=examples.responses(200, examples.STATUS, 422),
        tags=["gateway"],
    )
    async def status(
        audit_since: Annotated[
            int | None,
            Query(
                alias="auditSince",
                ge=0,
                le=10**15,
                description="Prove that the log begins with the log of so many entries.",
            ),
        ] = None,
    ) -> Response:
        """What this gateway follows and which members answer, as the operator reads it."""
        audit = await gateway.attestation.report(audit_since)
        return answer(gateway.report().model_copy(update={"audit": audit}))

    @router.get(
        "/observations",
        summary="See what sessions in arms came to",
        response_model=Observations,
        responses=examples.responses(200, examples.OBSERVATIONS, 422, 503),
        tags=["gateway"],
    )
    async def observations(
        rollout: Annotated[
            str,
            Query(min_length=1, max_length=128, description="Salt of the rollout or experiment."),
        ],
        after: Annotated[
            int,
            Query(
                ge=-1,
                le=10**15,
                description="`through` of the answer before. Left out: from the beginning.",
            ),
        ] = -1,
        limit: Annotated[
            int, Query(ge=1, le=MAX_OBSERVATIONS, description="At most so many.")
        ] = MAX_OBSERVATIONS,
    ) -> Response:
        """From this gateway's log, as the operator reads it: who was given to an arm, and what
        sessions came to whose window is over, without anybody's words."""
        found = await gateway.observing.find(gateway.attestation.key, rollout, after, limit)
        return answer(found)

    return router


def health(gateway: Gateway) -> APIRouter:
    """What Kubernetes and Prometheus call."""
    words = Words(
        tag="gateway",
        live="Always `ok`: whether members answer is no reason to restart the gateway.",
        ready="`ok` when it is configured and not being stopped. It needs no member for that: "
        "without\nany, it answers with the fallback.",
        metrics="Decisions by outcome, latencies, failures by member, what is in flight.",
        metric="fabula_gateway_log_records 42.0",
    )

    def collect() -> CollectorRegistry:
        gateway.metrics.in_flight.set(gateway.admission.inside)
        gateway.metrics.waiting.set(gateway.admission.waiting)
        gateway.metrics.log_records.set(len(gateway.decisions))
        return gateway.metrics.registry

    return probes(lambda: gateway.unready, collect, words)


def wants_fresh(cache_control: str | None) -> bool:
    """Whether a request refuses earlier answers (RFC 9111, section 5.2.1.4)."""
    return "no-cache" in {each.strip().lower() for each in (cache_control or "").split(",")}


def _view(session: Session) -> SessionView:
    return SessionView(
        id=session.id,
        created=session.created,
        player=session.player,
        context=session.context
        if isinstance(session.context, str)
        else (None if session.context is None else dict(session.context)),
        turns=session.turns,
        handovers=session.chapter - 1,
    )
