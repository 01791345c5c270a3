"""One asks, the others wait ("single flight"): the same question at the same time is asked once."""

import asyncio
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Flights(Generic[Value]):
    """Answers under way, by key. Who leads must ``land``, whatever becomes of it."""

    def __init__(self) -> None:
        self._under_way: dict[str, asyncio.Future[Value | None]] = {}

    def __len__(self) -> int:
        return len(self._under_way)

    def lead(self, key: str) -> bool:
        """Whether nobody else is on the way to this answer: then it is for the caller to find."""
        if key in self._under_way:
            return False
        self._under_way[key] = asyncio.get_running_loop().create_future()
        return True

    def land(self, key: str, value: Value | None) -> None:
        """Give the answer to those who wait; None: there is none, they have to ask themselves."""
        flight = self._under_way.pop(key, None)
        if flight is not None and not flight.done():
            flight.set_result(value)

    async def wait(self, key: str, patience: float) -> Value | None:
        """The answer that is under way; None: nobody is on the way to it, there came none, or not
        within ``patience`` seconds."""
        flight = self._under_way.get(key)
        if flight is None:
            return None
        await asyncio.wait([flight], timeout=patience)
        return flight.result() if flight.done() else None
