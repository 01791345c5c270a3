"""Work that tells of its progress while it runs, for interfaces that pass it on at once."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, Generic, TypeVar

Piece = TypeVar("Piece")
Result = TypeVar("Result")


class Live(Generic[Piece, Result]):
    """A task, and what it has told that nobody has taken yet.

    The work never waits for who listens. It tells no more than it makes, and makes no more than
    its members may say (``MAX_CHARACTERS``), so what lies here is bounded.

    Args:
        work: gets a function to tell with.
    """

    def __init__(
        self, work: Callable[[Callable[[Piece], None]], Coroutine[Any, Any, Result]]
    ) -> None:
        self._pieces: list[Piece] = []
        self._news = asyncio.Event()
        self.task: asyncio.Task[Result] = asyncio.create_task(work(self._tell))
        self.task.add_done_callback(lambda _: self._news.set())

    @property
    def failed(self) -> bool:
        """Whether it ended with an exception before it told anything."""
        task = self.task
        return task.done() and not self._pieces and (task.cancelled() or bool(task.exception()))

    async def begun(self) -> None:
        """Wait until there is something to take, or it has ended."""
        await self._news.wait()

    async def follow(self, seconds: float) -> AsyncGenerator[list[Piece], None]:
        """What has come, as soon as it comes; an empty list when nothing did for so long. Ends
        with the work, whose result or exception is then in ``task``."""
        ended = False
        while not ended:
            try:
                async with asyncio.timeout(seconds):
                    await self._news.wait()
            except TimeoutError:
                yield []
                continue
            ended = self.task.done()
            self._news.clear()
            pieces, self._pieces = self._pieces, []
            if pieces or not ended:
                yield pieces

    async def stop(self) -> None:
        """End it, whatever it is doing."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    def _tell(self, piece: Piece) -> None:
        self._pieces.append(piece)
        self._news.set()
