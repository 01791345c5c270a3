"""Asking one member until it answers: twice at most.

Where the way that was chosen fails and another may well answer, that one is asked instead. Where it
is later than 19 of its 20 last answers, another request goes out beside it, if hedging is set and
its budget has room; the first whole answer is taken, and the other request cancelled. A second
request is paid for by itself, and goes only to who has a fair chance to answer in the time left.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from runtime.audit.record import Because, CandidateState, Try
from runtime.engines import Chunk, EngineError, Prompt, Reply
from runtime.gateway.members.voices import Chair, Seat
from runtime.gateway.story.paying import UNPAID, Payer
from runtime.gateway.story.prompt import TEMPLATE
from runtime.sessions.tokens import at_most

#: After these nobody else is asked: the time is over; a provider refused the words, which are not
#: to be carried from door to door. Nor after failures of the request itself.
_FINAL = frozenset({"Timeout", "Aborted"})


@dataclass(slots=True)
class Attempt:
    """One request, and what has come of it so far."""

    seat: Seat
    because: Because | None = None
    began: float = field(default_factory=time.monotonic)
    ended: float | None = None
    answer: str | None = None
    reply: Reply | None = None
    failure: EngineError | None = None
    #: Why it was not asked after all.
    skipped: str | None = None

    @property
    def state(self) -> CandidateState:
        """What became of it by now."""
        if self.reply is not None:
            return "Answered"
        if self.skipped is not None:
            return "Skipped"
        return "Cancelled" if self.failure is None else "Failed"

    @property
    def error(self) -> str | None:
        """Why there is no answer."""
        return self.skipped if self.failure is None else str(self.failure)

    @property
    def cost_usd(self) -> str | None:
        """What its answer cost. None: there is none, or nobody knows."""
        return self.seat.known.cost_usd(self.reply.usage) if self.reply else None


class Asking:
    """One question to one member.

    Args:
        seat: who is asked first.
        prompt: what.
        payer: pays for a second request. The first is paid for by who asks.
        hear: called with each piece of an answer as it comes. Who speaks first is heard to the end,
            and nobody else.
    """

    def __init__(
        self,
        seat: Seat,
        prompt: Prompt,
        payer: Payer,
        hear: Callable[[Chunk], None] | None = None,
    ) -> None:
        self.attempts = [Attempt(seat)]
        self._prompt = prompt
        self._payer = payer
        self._hear = hear
        self._speaker: Attempt | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._seconds = 0.0
        self._deadline = 0.0

    @property
    def hopeless(self) -> str | None:
        """Why there is no use in asking, if so: who was chosen is out, and nobody stands in."""
        seat = self.attempts[0].seat
        return None if seat.chair and len(seat.chair.seats) > 1 else seat.member.unavailable()

    @property
    def outcome(self) -> Attempt:
        """The attempt that answered, or else the one that spoke, or else the first."""
        answered = next((each for each in self.attempts if each.reply), None)
        return answered or self._speaker or self.attempts[0]

    def reply(self) -> Reply:
        """The whole answer.

        Raises:
            EngineError: there is none.
        """
        found = self.outcome
        if found.reply is None:
            raise found.failure or EngineError("NotReady", found.skipped or "it was not asked")
        return found.reply

    @property
    def tries(self) -> list[Try] | None:
        """Both attempts for the record. None: there was one."""
        if len(self.attempts) == 1:
            return None
        began = self.attempts[0].began
        return [
            Try(
                variant=each.seat.route.variant if each.seat.why else None,
                revision=each.seat.route.revision,
                model=each.seat.route.model,
                because=each.because,
                after_ms=milliseconds(began, each.began),
                state=each.state,
                latency_ms=milliseconds(each.began, each.ended),
                error=each.error,
            )
            for each in self.attempts
        ]

    async def run(self, seconds: float) -> None:
        """Ask, for no longer than that. What comes of it is in ``attempts``, at any time."""
        first = self.attempts[0]
        self._seconds, self._deadline = seconds, first.began + seconds
        chair = first.seat.chair
        late_after = chair.late_after(first.seat) if chair else None
        first.skipped = first.seat.member.unavailable()
        if first.skipped is None and chair and late_after is not None and late_after < seconds:
            await self._ask_in_company(first, chair, late_after)
        elif first.skipped is None:
            await self._ask(first)
        if chair and self._may_be_stood_in_for:
            other = chair.other(first.seat, self._is_able)
            if other is not None:
                await self._ask_too(other, "Failed")

    async def _ask_in_company(self, first: Attempt, chair: Chair, late_after: float) -> None:
        tasks = self._tasks
        tasks.append(asyncio.create_task(self._ask(first)))
        try:
            await asyncio.wait(tasks, timeout=late_after)
            if first.ended is None and self._speaker is None:
                other = chair.beside(first.seat, self._is_able)
                if other is not None:
                    tasks.append(asyncio.create_task(self._ask_too(other, "Slow")))
            waiting = set(tasks)
            while waiting and self.outcome.reply is None:
                _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
        for task in tasks:
            if task.done() and not task.cancelled():
                task.result()

    async def _ask(self, attempt: Attempt) -> None:
        hear = None if self._hear is None else partial(self._heard, attempt)
        left = self._deadline - time.monotonic()
        try:
            attempt.answer, attempt.reply = await attempt.seat.member.ask(
                self._prompt, left, hear, attempt.because
            )
        except EngineError as error:
            attempt.failure = error
        finally:
            attempt.ended = time.monotonic()

    async def _ask_too(self, seat: Seat, because: Because) -> None:
        attempt = Attempt(seat, because)
        self.attempts.append(attempt)
        left = self._deadline - attempt.began
        try:
            async with self._payer.paying(seat.route, self._prompt, left) as spending:
                await self._ask(attempt)
                self._payer.charge(
                    spending, seat.route, attempt.state, attempt.error, attempt.cost_usd
                )
        except UNPAID as error:
            attempt.skipped, attempt.ended = f"Budget: {error}", time.monotonic()

    def _heard(self, attempt: Attempt, chunk: Chunk) -> None:
        if self._speaker is None:
            self._speaker = attempt
            for other, task in zip(self.attempts, self._tasks, strict=False):
                if other is not attempt:
                    task.cancel()
        if self._hear is not None and self._speaker is attempt:
            self._hear(chunk)

    @property
    def _may_be_stood_in_for(self) -> bool:
        """Whether nobody has answered or spoken, the time is not over, and the request itself is
        not at fault."""
        first, *others = self.attempts
        if others or first.reply or self._speaker:
            return False
        failure = first.failure
        return failure is None or (failure.blames_member and failure.kind not in _FINAL)

    def _is_able(self, seat: Seat) -> bool:
        """Whether the prompt fits, and the time that is left is as much as it takes in 19 of 20
        cases, or half of what the question had where that is not known. Who had less and failed
        would be put out for nothing."""
        p95 = seat.member.pace.p95
        takes = self._seconds / 2 if p95 is None else p95 / 1000
        if takes >= self._deadline - time.monotonic():
            return False
        window = seat.known.context_tokens
        if window is None or seat.member is self.attempts[0].seat.member:
            return True
        told = sum(at_most(said.content) for said in self._prompt.messages)
        return told + TEMPLATE + self._prompt.max_tokens <= window


def milliseconds(since: float, until: float | None = None) -> int:
    """From one time to another, or to now."""
    return round(((time.monotonic() if until is None else until) - since) * 1000)
