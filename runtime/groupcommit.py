"""One durable write for everyone who is waiting: what arrives while a batch is on its way to the
disk goes together in the next."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Found = TypeVar("Found")


class BacklogFullError(Exception):
    """More writes wait than the bound allows: the disk does not keep up."""


class GroupCommit(Generic[Item, Result]):
    """Runs ``write`` on batches, in order, in one thread of its own.

    ``write`` takes the items and returns as many results; when it raises, everyone in the batch
    gets the exception, and it must have left nothing half written.
    """

    def __init__(
        self, name: str, write: Callable[[Sequence[Item]], Sequence[Result]], *, bound: int = 4096
    ) -> None:
        self._write = write
        self._bound = bound
        self._pending: list[tuple[Item, asyncio.Future[Result]]] = []
        self._busy = self._closed = False
        # A queue and a thread, where an executor would take three times as long for each batch.
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)

    async def submit(self, item: Item) -> Result:
        """Write one item; returns once it is durable.

        Raises:
            BacklogFullError: the bound is reached; nothing was written.
            RuntimeError: it was closed.
        """
        self._check()
        if len(self._pending) >= self._bound:
            raise BacklogFullError(f"{self._bound} writes are waiting")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Result] = loop.create_future()
        self._pending.append((item, done))
        if not self._busy:
            self._busy = True
            loop.call_soon(self._begin, loop)  # with what else arrives in this turn of the loop
        return await done

    async def run(self, work: Callable[[], Found]) -> Found:
        """Do something in the thread that writes: between two batches, never beside one.

        Raises:
            RuntimeError: it was closed.
        """
        self._check()
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Found] = loop.create_future()

        def do() -> None:
            try:
                found = work()
            except BaseException as error:
                _call(loop, _fail, [done], error)
            else:
                _call(loop, _succeed, [done], [found])

        self._hand_over(do)
        return await done

    async def close(self) -> None:
        """Write what is waiting, then end the thread."""
        while self._busy:
            await self.run(lambda: None)
        self._closed = True
        if self._thread.is_alive():
            self._work.put(None)
            self._thread.join()

    def _check(self) -> None:
        if self._closed:
            raise RuntimeError("closed: nothing is written any more")

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        batch, self._pending = self._pending, []
        self._busy = bool(batch)
        if batch:
            self._hand_over(partial(self._commit, batch, loop))

    def _commit(
        self, batch: list[tuple[Item, asyncio.Future[Result]]], loop: asyncio.AbstractEventLoop
    ) -> None:
        waiting = [done for _, done in batch]
        try:
            results = self._write([item for item, _ in batch])
        except BaseException as error:  # whatever the disk said belongs to those who asked
            _call(loop, self._end, loop, _fail, waiting, error)
        else:
            _call(loop, self._end, loop, _succeed, waiting, results)

    def _end(
        self, loop: asyncio.AbstractEventLoop, tell: Callable[..., None], *outcome: object
    ) -> None:
        self._begin(loop)  # first, so that the disk does not wait for those who are told
        tell(*outcome)

    def _hand_over(self, work: Callable[[], None]) -> None:
        if self._thread.ident is None:
            self._thread.start()
        self._work.put(work)

    def _serve(self) -> None:
        while (work := self._work.get()) is not None:
            work()


def _call(loop: asyncio.AbstractEventLoop, work: Callable[..., None], *told: object) -> None:
    with suppress(RuntimeError):  # the loop ended, and with it whoever waited
        loop.call_soon_threadsafe(work, *told)


def _succeed(waiting: Sequence["asyncio.Future[Result]"], results: Sequence[Result]) -> None:
    for done, result in zip(waiting, results, strict=True):
        if not done.done():
            done.set_result(result)


def _fail(waiting: Sequence["asyncio.Future[Result]"], error: BaseException) -> None:
    for done in waiting:
        if not done.done():
            done.set_exception(error)
