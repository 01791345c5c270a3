"""The level-triggered loop: a lost event costs a delay, never a wrong result.

Objects are looked at one run at a time each, several objects at once, and only while this operator
leads. What to look at when is `operators.schedule`; a look is `operators.reconcile`.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from controllers.plan import Ref
from operators.errors import ApiError, NotLeaderError
from operators.metrics import Metrics
from operators.schedule import Schedule

log = structlog.get_logger(__name__)

Look = Callable[[Ref], Awaitable[float | None]]

#: Events of one change come in a burst; this long they are gathered.
GATHER = 0.05
#: A look that takes longer than this is given up and tried again.
LOOK_LIMIT = 60.0
#: The dispatcher shows that it lives at least this often.
HEARTBEAT = 1.0


class Loop:
    """Dispatches looks.

    Args:
        look: one look at one object; returns the seconds until the next.
        concurrency: objects at the same time.
        clock: monotonic seconds, of the running event loop.
    """

    def __init__(
        self,
        schedule: Schedule[Ref],
        look: Look,
        metrics: Metrics,
        concurrency: int,
        clock: Callable[[], float],
    ) -> None:
        self._schedule = schedule
        self._look = look
        self._metrics = metrics
        self._concurrency = concurrency
        self._clock = clock
        self._running: dict[Ref, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._active = False
        self._beat = clock()
        metrics.depth.set_function(lambda: schedule.depth)
        metrics.oldest.set_function(lambda: schedule.oldest)

    @property
    def age(self) -> float:
        """Seconds since the dispatcher last came round."""
        return self._clock() - self._beat

    @property
    def longest_run(self) -> float:
        """Seconds that the longest look has taken so far."""
        return self._schedule.longest_run

    def notice(self, key: Ref, after: float = GATHER) -> None:
        """Look at this object soon."""
        self._schedule.add(key, after)
        self._wake.set()

    def resume(self) -> None:
        """Take up work: this operator leads."""
        self._active = True
        self._wake.set()

    def pause(self) -> None:
        """Drop all work at once: this operator does not lead. What was under way stays due."""
        self._active = False
        for task in self._running.values():
            task.cancel()

    async def drain(self, seconds: float) -> None:
        """Take up nothing more, let what is under way finish, and drop what does not in time."""
        self._active = False
        running = list(self._running.values())
        if running:
            await asyncio.wait(running, timeout=seconds)
        self.pause()
        await asyncio.gather(*running, return_exceptions=True)

    async def serve(self) -> None:
        """Dispatch until cancelled."""
        while True:
            self._beat = self._clock()
            self._wake.clear()
            while self._active and len(self._running) < self._concurrency:
                key = self._schedule.take()
                if key is None:
                    break
                self._start(key)
            await self._sleep()

    def _start(self, key: Ref) -> None:
        task = asyncio.create_task(self._run(key), name=f"look at {key}")
        self._running[key] = task
        task.add_done_callback(lambda _: self._ended(key))

    def _ended(self, key: Ref) -> None:
        del self._running[key]
        self._wake.set()

    async def _sleep(self) -> None:
        """Until something is due, a look ends or something is noticed."""
        due = self._schedule.next_due()
        full = not self._active or len(self._running) >= self._concurrency
        wait = HEARTBEAT if full or due is None else min(due, HEARTBEAT)
        try:
            async with asyncio.timeout(wait):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _run(self, key: Ref) -> None:
        """One look. Whatever goes wrong, the key stays in the schedule."""
        again: float | None = None
        try:
            with self._metrics.reconciles.labels(key.kind).time():
                async with asyncio.timeout(LOOK_LIMIT):
                    again = await self._look(key)
        except asyncio.CancelledError:
            self._schedule.done(key, 0.0)
            raise
        except NotLeaderError as error:
            log.info("a write was not sent", kind=key.kind, name=key.name, why=str(error))
            self._schedule.done(key, HEARTBEAT)
        except (ApiError, TimeoutError) as error:
            said = str(error) or f"the look took longer than {LOOK_LIMIT:g} s"
            self._failed(key, type(error).__name__, said)
        except Exception as error:
            # A defect of ours. It must not stop the work on other objects, nor stay unseen.
            log.exception("a look failed", kind=key.kind, namespace=key.namespace, name=key.name)
            self._failed(key, type(error).__name__, "an unexpected error; see above")
        else:
            self._schedule.done(key, again)

    def _failed(self, key: Ref, error: str, said: str) -> None:
        self._metrics.failures.labels(key.kind, error).inc()
        wait = self._schedule.failed(key)
        place = {"kind": key.kind, "namespace": key.namespace, "name": key.name}
        log.warning("a look is tried again", object=place, error=said, seconds=round(wait, 1))
