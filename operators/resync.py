"""The periodic look at everything: what an event that was lost would have said."""

import asyncio
import random
from collections.abc import Callable, Iterable

import structlog

from controllers.plan import Ref
from crds import API_VERSION, KINDS
from operators import backoff
from operators.errors import ApiError
from operators.observe.reading import Reader

log = structlog.get_logger(__name__)

RETRY_BASE, RETRY_CAP = 1.0, 30.0


class Resync:
    """Lists all objects of ours, at once when leadership is gained and then every period.

    Args:
        namespaces: those to list; None stands for all.
        notice: takes an object and the seconds after which to look at it.
        period: seconds.
    """

    def __init__(
        self,
        reader: Reader,
        namespaces: Iterable[str | None],
        notice: Callable[[Ref, float], None],
        period: float,
        rng: backoff.Random = random.random,
    ) -> None:
        self._reader = reader
        self._namespaces = tuple(namespaces)
        self._notice = notice
        self._period = period
        self._rng = rng
        self._leading = asyncio.Event()

    def resume(self) -> None:
        self._leading.set()

    def pause(self) -> None:
        self._leading.clear()

    async def run(self) -> None:
        """List and wait, for as long as this operator leads; until cancelled."""
        failures = 0
        first = True
        while True:
            if not self._leading.is_set():
                first = True
                await self._leading.wait()
            try:
                # Later rounds are spread over the period, so that the API server sees no peaks.
                await self._round(0.0 if first else self._period)
            except ApiError as error:
                failures += 1
                wait = backoff.delay(failures, base=RETRY_BASE, cap=RETRY_CAP, rng=self._rng)
                log.warning("objects were not listed", error=str(error), seconds=round(wait, 1))
            else:
                failures, first = 0, False
                wait = backoff.jittered(self._period, 0.1, self._rng)
            await self._pause(wait)

    async def _round(self, spread: float) -> None:
        for namespace in self._namespaces:
            for kind in KINDS:
                for obj in await self._reader.list_all(API_VERSION, kind.names.kind, namespace):
                    self._notice(Ref.of(obj), spread * self._rng())

    async def _pause(self, seconds: float) -> None:
        """Wait, and no longer once leadership is lost."""
        deadline = asyncio.get_running_loop().time() + seconds
        while self._leading.is_set():
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return
            await asyncio.sleep(min(left, 1.0))
