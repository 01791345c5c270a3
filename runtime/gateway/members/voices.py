"""The members of the ensemble as this gateway sees them: who answers, who is out and why."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import aiohttp
import structlog

from crds.ensemble import FULL, Serving
from crds.gateway import GatewayReport, StoreReport
from crds.routes import Route, RouteTable
from crds.storyteller import Voice
from runtime.audit.record import Because
from runtime.engines import Chunk, Engine, EngineError, Known, Prompt, Reply, collect, engine_for
from runtime.engines import known as about
from runtime.gateway.members.choosing import Option, Pace, Shares, pick
from runtime.gateway.members.circuit import Circuit
from runtime.gateway.members.hedging import Hedges
from runtime.gateway.members.words import accept
from runtime.gateway.metrics import Metrics

log = structlog.get_logger(__name__)

#: How often a member is looked at, and again when a look failed. With an engine's own check of at
#: most 2 s, a frozen member is known after 8 s at the latest.
CHECK_SECONDS = 3.0
SECOND_LOOK_SECONDS = 0.5
#: A draw by which nobody is asked only to be measured.
_NOBODY_ELSE = 1.0


class Member:
    """One engine at one revision, with what is known of it. It outlives route tables that change
    only how much it counts."""

    def __init__(self, name: str, engine: Engine, metrics: Metrics, rng: random.Random) -> None:
        self.name = name
        self._engine = engine
        self._metrics = metrics
        self._rng = rng
        self._circuit = Circuit(rng)
        self._asks: set[asyncio.Task[object]] = set()
        self._felled: set[asyncio.Task[object]] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._last_error: EngineError | None = None
        #: What put it out. It is reported until a request succeeds: the words of each later failure
        #: would make the report change all the time.
        self._put_out_by: EngineError | None = None
        #: Why it cannot answer, by its last checks. None: it can.
        self.trouble: EngineError | None = EngineError("NotReady", "it has not been checked yet")
        self._checked = False
        #: How long its answers take.
        self.pace = Pace()
        self._watch = asyncio.create_task(self._keep_watch())

    def unavailable(self) -> str | None:
        """Why asking it now would be a waste of time, if so."""
        if self._checked and self.trouble is not None:
            return str(self.trouble)
        if not self._circuit.admits(time.monotonic()):
            return f"it rests after failing: {_said(self._last_error)}"
        return None

    @property
    def answers(self) -> bool:
        """Whether a question to it now would be answered, as far as is known."""
        return self._checked and self.unavailable() is None

    @property
    def voice(self) -> Voice:
        """What to report of it."""
        reason: Literal["MissingKey", "Unreachable", "Failing"] | None = None
        message: str | None = None
        if self.trouble is not None:
            reason = "MissingKey" if self.trouble.kind == "MissingKey" else "Unreachable"
            message = self.trouble.message[:512]
        elif self._circuit.is_failing:
            reason, message = "Failing", f"it keeps failing: {_said(self._put_out_by)}"[:512]
        name = self.name.partition("/")[0]
        return Voice(name=name, answers=reason is None, reason=reason, message=message)

    async def ask(
        self,
        prompt: Prompt,
        patience: float,
        hear: Callable[[Chunk], None] | None = None,
        because: Because | None = None,
    ) -> tuple[str, Reply]:
        """Ask it; returns the answer and the reply that held it.

        Args:
            prompt: what.
            patience: seconds.
            hear: called with each piece of the answer as it comes.
            because: why it is asked as the second one, if it is.

        Raises:
            EngineError: there is no answer.
        """
        if because is not None:
            self._metrics.second_requests.labels(self.name, because).inc()
        started = time.monotonic()
        if not self._circuit.enter(started):
            raise EngineError("NotReady", "another request is trying whether it is back")
        try:
            answer, reply = await self._attempt(prompt, patience, hear, self._put_off)
        except EngineError as error:
            self._failed(error)
            if error.kind in ("Timeout", "Stalled"):
                self.pace.took(time.monotonic() - started)
            self._metrics.member_failures.labels(self.name, error.kind).inc()
            raise
        except asyncio.CancelledError:
            self._circuit.leave()
            self.pace.took_longer_than(time.monotonic() - started)
            raise
        self._circuit.succeed()
        seconds = time.monotonic() - started
        self.pace.took(seconds)
        self._metrics.member_seconds.labels(self.name).observe(seconds)
        if because is not None:
            self._metrics.second_answers.labels(self.name, because).inc()
        return answer, reply

    async def ask_aside(self, prompt: Prompt, patience: float) -> tuple[str, Reply]:
        """The same for nobody's sake: what comes of it changes nothing of what is known of it.

        Raises:
            EngineError: there is no answer.
        """
        return await self._attempt(prompt, patience, None, lambda _: None)

    async def retire(self, *, patiently: bool = True) -> None:
        """Stop looking at it; close it when the last question to it is done, or end that too."""
        self._watch.cancel()
        await asyncio.gather(self._watch, return_exceptions=True)
        if not patiently:
            self._fell_all()
        await self._idle.wait()
        await self._engine.close()

    def _failed(self, error: EngineError) -> None:
        before, now = self._circuit.is_failing, time.monotonic()
        self._last_error = error
        if error.retry_after is not None:
            self._circuit.leave_alone(now, error.retry_after)
        elif error.blames_member:
            self._circuit.fail(now)
        else:
            self._circuit.leave()
        if self._circuit.is_failing and not before:
            self._put_out_by = error

    def _put_off(self, error: EngineError) -> None:
        """It will be asked again. Others should not while it wants to be left alone."""
        self._metrics.member_failures.labels(self.name, error.kind).inc()
        if error.retry_after is not None:
            self._failed(error)

    async def _attempt(
        self,
        prompt: Prompt,
        patience: float,
        hear: Callable[[Chunk], None] | None,
        put_off: Callable[[EngineError], None],
    ) -> tuple[str, Reply]:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  (coroutines run in tasks)
        self._asks.add(task)
        self._idle.clear()
        try:
            reply = await collect(self._engine, prompt, patience, hear=hear, put_off=put_off)
            return accept(prompt, reply), reply
        except asyncio.CancelledError:
            if task in self._felled and task.uncancel() == 0:
                raise self._fell() from None
            raise
        except EngineError:
            raise
        except Exception as error:
            # Whatever else an SDK throws is this member's failure, never the story's.
            log.exception("engine_failed", member=self.name)
            raise EngineError("Protocol", f"{type(error).__name__}") from error
        finally:
            self._asks.discard(task)
            self._felled.discard(task)
            if not self._asks:
                self._idle.set()

    def _fell_all(self) -> None:
        for task in list(self._asks):
            self._felled.add(task)
            task.cancel()

    def _fell(self) -> EngineError:
        message = self.trouble.message if self.trouble else "it stopped answering its checks"
        return EngineError("NotReady", message)

    async def _keep_watch(self) -> None:
        while True:
            fault = await self._look()
            if fault is not None and (self.trouble is None or not self._checked):
                on_time = await _on_time(SECOND_LOOK_SECONDS)
                if isinstance(fault.__cause__, TimeoutError) and not on_time:
                    continue  # who has no time to listen cannot say who is silent
                fault = await self._look()
            self._found(fault)
            await asyncio.sleep(CHECK_SECONDS * self._rng.uniform(0.8, 1.2))

    async def _look(self) -> EngineError | None:
        try:
            await self._engine.check()
        except EngineError as error:
            return error
        except Exception as error:
            log.exception("check_failed", member=self.name)
            return EngineError("Protocol", type(error).__name__)
        return None

    def _found(self, fault: EngineError | None) -> None:
        before, self.trouble = self.trouble, fault
        first, self._checked = not self._checked, True
        if fault is not None and (before is None or first):
            log.warning("member_out", member=self.name, reason=str(fault))
            self._fell_all()  # whoever waits for it now would wait for its timeout
        elif fault is None and before is not None:
            log.info("member_answers", member=self.name)
            self._circuit.trust_again()


async def _on_time(seconds: float) -> bool:
    """Sleep; whether this process is awake again in twice that time."""
    clock = asyncio.get_running_loop().time
    start = clock()
    await asyncio.sleep(seconds)
    return clock() - start < 2 * seconds


def _said(error: EngineError | None) -> str:
    return error.public if error else "nobody knows why"


@dataclass(frozen=True, slots=True)
class Seat:
    """A way to ask a member, who answers then, and what is known of its model."""

    route: Route
    member: Member
    known: Known
    #: Why this way and no other; None: there is no other.
    why: str | None = None
    #: Where the other ways are. None: nobody stands in.
    chair: "Chair | None" = field(default=None, compare=False, repr=False)

    @property
    def option(self) -> Option:
        """As the rule sees it that chooses among variants."""
        route = self.route
        return Option(
            route.variant, float(route.accuracy), float(route.relative_cost), self.member.answers
        )


class Chair:
    """The seats of one member: itself and its variants. One weight, whoever sits there."""

    def __init__(
        self, seats: Sequence[Seat], serving: Serving, before: "Chair | None" = None
    ) -> None:
        self.seats = tuple(replace(seat, chair=self) for seat in seats)
        self.shares: Shares = before.shares if before else Shares()
        self.hedges: Hedges = before.hedges if before else Hedges()
        self._serving = serving

    @property
    def member(self) -> str:
        """Whose they are."""
        return self.seats[0].route.member

    def seat(self, draw: float) -> Seat:
        """Who is asked this time."""
        return self.seats[0] if len(self.seats) == 1 else self._picked(self.seats, draw)

    def other(self, seat: Seat, able: Callable[[Seat], bool]) -> Seat | None:
        """Who of those that are ``able`` stands in for this one, by the same rule; None: nobody."""
        others = [
            each
            for each in self.seats
            if each.member is not seat.member and each.member.answers and able(each)
        ]
        return self._picked(others, _NOBODY_ELSE) if others else None

    def beside(self, seat: Seat, able: Callable[[Seat], bool]) -> Seat | None:
        """Who is asked too, while this one is late: another that is accurate enough, or else the
        same one again, where another replica may answer. None: nobody, or no more of them."""
        if not self.hedges.allowed:
            return None
        least = float(self._serving.minimum_accuracy or 0)
        other = self.other(seat, lambda each: float(each.route.accuracy) >= least and able(each))
        if other is None and seat.member.answers and able(seat):
            other = seat
        if other is not None:
            self.hedges.sent()
        return other

    def late_after(self, seat: Seat) -> float | None:
        """Note a question to this one; seconds after which it is late. None: it never is."""
        hedging = self._serving.hedging
        if hedging is None:
            return None
        self.hedges.asked(hedging.max_percent)
        p95 = seat.member.pace.p95
        return None if p95 is None else p95 / 1000

    def _picked(self, seats: Sequence[Seat], draw: float) -> Seat:
        options = [seat.option for seat in seats]
        variant, why = pick(options, self._serving, self._measured(), draw)
        self.shares.asked(variant)
        seat = next(seat for seat in seats if seat.route.variant == variant)
        return replace(seat, why=why)

    def _measured(self) -> dict[str, int | None]:
        return {seat.route.variant: seat.member.pace.p95 for seat in self.seats}

    @property
    def voice(self) -> Voice:
        """What to report of the member: it answers when any of its variants does."""
        hedging = self._serving.hedging
        if hedging is None:
            return self._voice
        told = self.hedges.words(self._measured(), hedging.max_percent)
        return self._voice.model_copy(update={"hedging": told})

    @property
    def _voice(self) -> Voice:
        first, *others = (seat.member.voice for seat in self.seats)
        if not others:
            return first
        heard = next((voice for voice in (first, *others) if voice.answers), first)
        out = [seat.route.variant for seat in self.seats if not seat.member.voice.answers]
        told = f"{self.shares.words}: {self._serving.words}"
        if out:
            told += f"; {', '.join(out)} {'is' if len(out) == 1 else 'are'} out"
        return heard.model_copy(update={"variant": told[:512]})


class Voices:
    """The current members. ``take`` follows the route table."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        metrics: Metrics,
        *,
        rng: random.Random | None = None,
        make: Callable[[Route, aiohttp.ClientSession], Engine] = engine_for,
    ) -> None:
        self._http = http
        self._metrics = metrics
        self._rng = rng or random.Random()  # noqa: S311  (jitter)
        self._make = make
        self._retiring: set[asyncio.Task[None]] = set()
        self.chairs: tuple[Chair, ...] = ()
        #: The member that is tried out, as its canary has it.
        self._canary: Chair | None = None

    @property
    def seats(self) -> tuple[Seat, ...]:
        """The members themselves, whichever of their variants is asked."""
        return tuple(chair.seats[0] for chair in self.chairs)

    def cast(self, *, canary: bool = False) -> tuple[Seat, ...]:
        """Who is asked for one question: each member, in the variant that the rule picks.

        Args:
            canary: whether it is told by the revision that is tried out, where there is one.
        """
        return tuple(self._seated(chair) for chair in self._chairs(canary))

    def routes(self, *, canary: bool = False) -> tuple[Route, ...]:
        """The members themselves in that arm, whichever of their variants is asked."""
        return tuple(chair.seats[0].route for chair in self._chairs(canary))

    def seat(self, member: str, *, canary: bool = False) -> Seat | None:
        """The same as `cast` for one member alone."""
        chair = next((each for each in self._chairs(canary) if each.member == member), None)
        return None if chair is None else self._seated(chair)

    @property
    def tried(self) -> Seat | None:
        """The member that is tried out, as its canary has it; None where there is no canary."""
        return self._seated(self._canary) if self._canary else None

    def _chairs(self, canary: bool) -> list[Chair]:
        tried = self._canary if canary else None
        return [tried if tried and tried.member == each.member else each for each in self.chairs]

    def _everyone(self) -> list[Seat]:
        chairs = [*self.chairs, *([self._canary] if self._canary else [])]
        return [seat for chair in chairs for seat in chair.seats]

    def _seated(self, chair: Chair) -> Seat:
        seat = chair.seat(self._rng.random())
        if seat.why is not None:
            self._metrics.variants.labels(seat.route.member, seat.route.variant).inc()
        return seat

    def take(self, table: RouteTable) -> None:
        """Follow a new table. Members whose engine stays keep what is known of them; questions
        that are under way finish with whom they asked."""
        known = {_identity(seat.route): seat.member for seat in self._everyone()}
        taken: dict[tuple[object, ...], Member] = {}
        before = {chair.member: chair for chair in self.chairs}

        def chair(route: Route, before: Chair | None) -> Chair:
            seats = []
            for way in route.ways:
                identity = _identity(way)
                if identity not in taken:  # else the canary shares it with the stable revision
                    found = known.pop(identity) if identity in known else self._member(way)
                    taken[identity] = found
                seats.append(Seat(way, taken[identity], about(way)))
            return Chair(seats, table.serving, before)

        self.chairs = tuple(chair(route, before.get(route.member)) for route in table.routes)
        tried = table.canary()
        self._canary = chair(tried, self._canary) if tried else None
        for member in known.values():
            task = asyncio.create_task(member.retire())
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)

    def report(self, table: RouteTable | None) -> tuple[list[Voice], bool]:
        """Each member, and whether enough of them answer for a decision by vote."""
        voices = [chair.voice for chair in self.chairs]
        able = sum(
            voice.answers and seat.route.weight > 0
            for voice, seat in zip(voices, self.seats, strict=True)
        )
        return voices, table is not None and able >= table.minimum_votes

    async def close(self) -> None:
        """Let go of every member, whatever it is doing."""
        for task in self._retiring:
            task.cancel()
        everyone = {id(seat.member): seat.member for seat in self._everyone()}
        retiring = (member.retire(patiently=False) for member in everyone.values())
        await asyncio.gather(*retiring, *self._retiring, return_exceptions=True)

    def _member(self, route: Route) -> Member:
        name = route.member if route.variant == FULL else f"{route.member}/{route.variant}"
        return Member(name, self._make(route, self._http), self._metrics, self._rng)


def _identity(route: Route) -> tuple[object, ...]:
    """What makes it the same engine."""
    return (
        route.member,
        route.variant,
        route.revision,
        route.engine,
        route.model,
        route.url,
        route.key_file,
        route.key_secret,
    )


def report(
    storyteller: str,
    config_generation: int,
    table: RouteTable | None,
    voices: Voices,
    decisions: int,
    store: StoreReport,
    prompts_refused: str | None = None,
) -> GatewayReport:
    """What the gateway says of itself."""
    heard, quorum = voices.report(table)
    return GatewayReport(
        storyteller=storyteller,
        config_generation=config_generation,
        routes_generation=table.generation if table else 0,
        voices=heard,
        minimum_votes=table.minimum_votes if table else 1,
        quorum=quorum,
        decisions=decisions,
        store=store,
        prompts_refused=prompts_refused,
    )
