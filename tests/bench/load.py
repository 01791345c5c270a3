"""Load over plain HTTP/1.1 connections that stay open, cheap enough to share a core with a stub."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

#: What every request is sent with, for servers that want a key.
KEY = "sk-bench"
_HOST = "127.0.0.1"


@dataclass
class Figures:
    """What became of a run. Latencies are in seconds, from when a request was due."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    firsts: list[float] = field(default_factory=list)
    errors: int = 0

    def quantile(self, q: float) -> float:
        """Latency that a share ``q`` stayed below, in seconds."""
        return _quantile(self.latencies, q)

    def first(self, q: float) -> float:
        """The same until the first byte of the body."""
        return _quantile(self.firsts, q)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds


def _quantile(values: list[float], q: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * q))]


class Client:
    """One connection; opened when first used."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def send(self, path: str, body: bytes) -> tuple[int, bytes, float]:
        """Post; returns the status, the body and when its first byte came."""
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(_HOST, self._port)
        self._writer.write(
            b"POST %b HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
            b"authorization: Bearer %b\r\ncontent-length: %d\r\n\r\n%b"
            % (path.encode(), KEY.encode(), len(body), body)
        )
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        status = int(head.split(b" ", 2)[1])
        _, found, length = head.partition(b"content-length:")
        if found:
            answer = await self._reader.readexactly(int(length.split(b"\r\n", 1)[0]))
            return status, answer, time.perf_counter()
        first, pieces = 0.0, []
        while size := int(await self._reader.readuntil(b"\r\n"), 16):
            first = first or time.perf_counter()
            pieces.append((await self._reader.readexactly(size + 2))[:-2])
        await self._reader.readexactly(2)
        return status, b"".join(pieces), first

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


Request = Callable[[int], tuple[str, bytes]]


async def steady(port: int, request: Request, rate: float, seconds: float) -> Figures:
    """Requests at even intervals, whether or not the earlier ones are answered. At most 256 at
    once: beyond that, one is an error, of a server that does not keep up."""
    figures = Figures(seconds)
    idle: list[Client] = []
    running: set[asyncio.Task[None]] = set()
    begin = time.perf_counter() + 0.05
    for number in range(int(rate * seconds)):
        due = begin + number / rate
        await asyncio.sleep(due - time.perf_counter())
        if len(running) >= 256:
            figures.errors += 1
            continue
        task = asyncio.create_task(_one(port, idle, request(number), due, figures))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)
    for client in idle:
        client.close()
    return figures


async def saturate(port: int, request: Request, connections: int, seconds: float) -> Figures:
    """Each connection asks again as soon as it is answered."""
    end = time.perf_counter() + seconds
    going_on = iter(lambda: time.perf_counter() < end, False)
    return await _crowd(port, request, connections, enumerate(going_on))


async def count(port: int, request: Request, connections: int, numbers: range) -> Figures:
    """The same for so many requests."""
    return await _crowd(port, request, connections, zip(numbers, numbers, strict=True))


async def _crowd(
    port: int, request: Request, connections: int, numbers: Iterator[tuple[int, object]]
) -> Figures:
    figures = Figures()
    begin = time.perf_counter()

    async def ask() -> None:
        idle: list[Client] = []
        for number, _ in numbers:
            await _one(port, idle, request(number), time.perf_counter(), figures)
        for client in idle:
            client.close()

    await asyncio.gather(*(ask() for _ in range(connections)))
    figures.seconds = time.perf_counter() - begin
    return figures


async def _one(
    port: int, idle: list[Client], request: tuple[str, bytes], due: float, figures: Figures
) -> None:
    client = idle.pop() if idle else Client(port)
    status, _, first = await client.send(*request)
    now = time.perf_counter()
    idle.append(client)
    if status >= 300:
        figures.errors += 1
        return
    figures.latencies.append(now - due)
    figures.firsts.append(first - due)
