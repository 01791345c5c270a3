"""One durable write for everyone who is waiting: what arrives while a batch is on its way to the
disk goes together in the next."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
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
        self._flush: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def submit(self, item: Item) -> Result:
        """Write one item; returns once it is durable.

        Raises:
            BacklogFullError: the bound is reached; nothing was written.
        """
        if len(self._pending) >= self._bound:
            raise BacklogFullError(f"{self._bound} writes are waiting")
        done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._pending.append((item, done))
        if self._flush is None or self._flush.done():
            self._flush = asyncio.create_task(self._run())
        return await done

    async def run(self, work: Callable[[], Found]) -> Found:
        """Do something in the thread that writes: between two batches, never beside one."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def close(self) -> None:
        """Write what is waiting, then end the thread."""
        if self._flush is not None:
            await self._flush
        self._thread.shutdown()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._pending:
            batch, self._pending = self._pending, []
            items = [item for item, _ in batch]
            try:
                results = await loop.run_in_executor(self._thread, self._write, items)
            except Exception as error:  # whatever the disk said belongs to those who asked
                for _, done in batch:
                    if not done.done():
                        done.set_exception(error)
                continue
            for (_, done), result in zip(batch, results, strict=True):
                if not done.done():
                    done.set_result(result)
