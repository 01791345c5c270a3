"""The level-triggered loop: a lost event costs a delay, never a wrong result.

Objects are looked at one run at a time each, several objects at once, and only while this operator
leads. What to look at when is `operators.schedule`; a look is `operators.reconcile`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

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
        self._running: dict[Ref, asyncio.Task[float | None]] = {}
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
        task.add_done_callback(partial(self._ended, key))

    async def _run(self, key: Ref) -> float | None:
        with self._metrics.reconciles.labels(key.kind).time():
            async with asyncio.timeout(LOOK_LIMIT):
                return await self._look(key)

    def _ended(self, key: Ref, task: "asyncio.Task[float | None]") -> None:
        """However a look ended, even before it began: the key stays in the schedule."""
        del self._running[key]
        self._wake.set()
        if task.cancelled():
            self._schedule.done(key, 0.0)
            return
        error = task.exception()
        if error is None:
            self._schedule.done(key, task.result())
        elif isinstance(error, NotLeaderError):
            log.info("a write was not sent", object=_place(key), why=str(error))
            self._schedule.done(key, HEARTBEAT)
        elif isinstance(error, ApiError | TimeoutError):
            self._failed(key, error, str(error) or f"no end after {LOOK_LIMIT:g} s")
        else:
            # A defect of ours. It must not stop the work on other objects, nor stay unseen.
            log.error("a look failed", object=_place(key), exc_info=error)
            self._failed(key, error, "an unexpected error; see above")

    def _failed(self, key: Ref, error: BaseException, said: str) -> None:
        self._metrics.failures.labels(key.kind, type(error).__name__).inc()
        wait = round(self._schedule.failed(key), 1)
        log.warning("a look is tried again", object=_place(key), error=said, seconds=wait)

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


def _place(key: Ref) -> dict[str, str]:
    return {"kind": key.kind, "namespace": key.namespace, "name": key.name}
