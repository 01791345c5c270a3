"""A session over one WebSocket: ask, hear candidates and decisions, and come back after a cut
without a gap.

Every question has a key, so that a client may send it again whenever it is not sure. What it missed
is told when it comes back. Nothing is stored for a connection, and a client that reads slowly is
waited for: no more lies here than the candidates of its one question.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Query, WebSocket
from fastapi.exceptions import RequestValidationError
from pydantic import Field, ValidationError
from starlette.websockets import WebSocketDisconnect

from crds.base import Model
from runtime.audit import Candidate, Decision, Record, Vote
from runtime.gateway.gateway import Gateway
from runtime.gateway.interfaces.live import Live
from runtime.gateway.interfaces.models import DecisionRequest
from runtime.gateway.interfaces.problems import draining, too_large, unknown_decision
from runtime.gateway.story.inquiry import Inquiry, Question
from runtime.limits.visits import Visit
from runtime.web.problems import Failure, Problem, problem, told

#: Decisions that are told again to a client that comes back.
MAX_MISSED = 1000
#: RFC 6455, section 7.4, and the registry it opens: try again elsewhere; too big.
_SERVICE_RESTART, _TOO_BIG = 1012, 1009
#: How often a question that nobody answers yet is looked at.
_LOOK_SECONDS = 10.0


class Ask(DecisionRequest):
    """The client asks."""

    type: Literal["ask"]
    key: Annotated[
        str,
        Field(
            min_length=1,
            max_length=128,
            pattern=r"^[\x21-\x7e]+$",
            description="Your word for this question. Sent again, it gives the same decision.",
        ),
    ]


class CandidateTold(Model):
    """A member answered, failed or is out."""

    type: Literal["candidate"] = "candidate"
    key: str
    vote: Vote


class DecisionTold(Model):
    """A decision: of the question with this key, or one that the client missed."""

    type: Literal["decision"] = "decision"
    key: str | None = None
    turn: int
    decision: Decision


class ProblemTold(Model):
    """Something went wrong; the connection stays."""

    type: Literal["problem"] = "problem"
    key: str | None = None
    problem: Problem


class Resumed(Model):
    """All that was missed is told; ``turn`` is the session's last."""

    type: Literal["resumed"] = "resumed"
    turn: int


def sockets(gateway: Gateway) -> APIRouter:
    """What games call to stay connected."""
    router = APIRouter(prefix="/v1")

    @router.websocket("/sessions/{session}/ws")
    async def talk(
        socket: WebSocket,
        session: str,
        after: Annotated[str | None, Query(max_length=64)] = None,
    ) -> None:
        try:
            visit = await _visit(gateway, socket)
            missed, turn = await _missed(gateway, session, after, visit)
        except _RefusedError as refused:
            await socket.send_denial_response(refused.failure.response())
            return
        await socket.accept()
        async with gateway.room.holding():
            conversation = _Conversation(gateway, session, socket, visit)
            try:
                await conversation.run(missed, turn)
            except WebSocketDisconnect:
                pass
            finally:
                await conversation.end()

    return router


class _RefusedError(Exception):
    """The connection is not taken."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.name)
        self.failure = failure


async def _visit(gateway: Gateway, socket: WebSocket) -> Visit:
    """Who comes, if he may ask."""
    try:
        visit = gateway.guards.visit(socket.headers, "decide")
        await gateway.guards.count(visit)
    except Exception as error:
        raise _RefusedError(told(error)) from error
    return visit


async def _missed(
    gateway: Gateway, session: str, after: str | None, visit: Visit
) -> tuple[list[tuple[int, Record]], int]:
    """What came after the turn or decision that a client saw last, oldest first, and the number of
    the session's last turn."""
    if gateway.room.is_closing:
        raise _RefusedError(draining())
    try:
        found = await gateway.sessions.get(session)
        ids = [] if after is None else await gateway.sessions.decisions(session, MAX_MISSED + 1)
    except Exception as error:
        raise _RefusedError(told(error)) from error
    if after is None:
        return [], found.turns
    turns = max(found.turns, len(ids))
    numbered = [(turns - at, decision) for at, decision in enumerate(ids)]
    if after.isascii() and after.isdigit():
        seen = int(after)
    else:
        seen = next((turn for turn, decision in numbered if decision == after), -1)
        if seen < 0:
            raise _RefusedError(unknown_decision(after))
    wanted = [(turn, decision) for turn, decision in numbered if turn > seen]
    if len(wanted) > MAX_MISSED:
        raise _RefusedError(
            problem(
                "too-far-back",
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "Too much was missed",
                f"more than {MAX_MISSED} decisions came after {after}; connect without after and "
                "list them with GET /v1/decisions",
            )
        )
    wanted.reverse()
    wanted_ids = [decision for _, decision in wanted]
    records = await gateway.records.find_all(wanted_ids, visit, session)
    known = {record.id: record for record in records}
    return [(turn, known[decision]) for turn, decision in wanted if decision in known], turns


class _Conversation:
    """One connection: one question at a time."""

    def __init__(self, gateway: Gateway, session: str, socket: WebSocket, visit: Visit) -> None:
        self._gateway = gateway
        self._visit = visit
        self._session = session
        self._socket = socket
        #: Whether a question is not decided yet.
        self._busy = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, missed: Sequence[tuple[int, Record]], turn: int) -> None:
        """Until the client goes, or the gateway is to stop and the question under way is done."""
        for number, record in missed:
            await self._send(_decision(number, record))
        await self._send(Resumed(turn=turn))
        reading = asyncio.create_task(self._read())
        closing = asyncio.create_task(self._gateway.room.closing.wait())
        try:
            await asyncio.wait({reading, closing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            closing.cancel()
            reading.cancel()
            await asyncio.gather(reading, closing, return_exceptions=True)
        if not reading.cancelled():
            reading.result()
            return
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._socket.close(_SERVICE_RESTART, "the gateway is being stopped; connect again")

    async def end(self) -> None:
        """Nobody listens any more. The question goes on, as it has a key."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _read(self) -> None:
        limit = self._gateway.settings.max_request_bytes
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            said = message.get("text") or message.get("bytes") or ""
            if len(said) > limit:
                await self._send(ProblemTold(problem=too_large(limit).problem))
                await self._socket.close(_TOO_BIG)
                return
            await self._take(said)

    async def _take(self, said: str | bytes) -> None:
        try:
            ask = Ask.model_validate_json(said)
        except ValidationError as error:
            faults = [{**fault, "loc": ("message", *fault["loc"])} for fault in error.errors()]
            await self._send(ProblemTold(problem=told(RequestValidationError(faults)).problem))
            return
        if self._busy:
            await self._send(ProblemTold(key=ask.key, problem=_ASK_UNDER_WAY.problem))
            return
        self._busy = True
        task = asyncio.create_task(self._tell(ask))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self, ask: Ask) -> None:
        options = tuple(ask.options) if ask.options else None
        question = Question(ask.question, options, ask.context, ask.task)
        trace = self._socket.state.trace
        inquiry = Inquiry(self._session, question, trace, self._visit, ask.key)
        live: Live[Candidate, Record] = Live(
            lambda watch: self._gateway.teller.decide(replace(inquiry, watch=watch))
        )
        try:
            async for candidates in live.follow(_LOOK_SECONDS):
                for candidate in candidates:
                    await self._send(CandidateTold(key=ask.key, vote=Vote.of(candidate)))
            last = await self._last(ask, live)
            self._busy = False  # before it is told: the next question may follow at once
            await self._send(last)
        except WebSocketDisconnect:
            pass
        finally:
            await live.stop()

    async def _last(self, ask: Ask, live: Live[Candidate, Record]) -> Model:
        try:
            record = await live.task
            return _decision(record.place.turn if record.place else 0, record)
        except Exception as error:
            return ProblemTold(key=ask.key, problem=told(error).problem)

    async def _send(self, message: Model) -> None:
        text = message.model_dump_json(by_alias=True, exclude_none=True)
        await self._socket.send_text(text)


def _decision(turn: int, record: Record) -> DecisionTold:
    return DecisionTold(key=record.idempotency_key, turn=turn, decision=Decision.of(record))


_ASK_UNDER_WAY = problem(
    "ask-under-way",
    HTTPStatus.CONFLICT,
    "One question at a time",
    "the question before is not decided yet; wait for its decision, then send this one again",
)
