"""An engine that costs next to nothing: it answers every chat request at once with the same stream,
in the form of llama.cpp. ``python -m tests.bench.stub_engine PORT``
"""

import asyncio
import json
import sys
from typing import Any, cast

import uvloop

CHOICE = "yes"
_PIECES = ('{"', "choice", '":', ' "', CHOICE, '"}')


def _chunk(**rest: Any) -> bytes:
    head = {"id": "chatcmpl-stub", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return b"data: " + json.dumps(head | rest, separators=(",", ":")).encode() + b"\n\n"


def _choice(delta: dict[str, Any], finish: str | None = None, *, logprobs: bool = False) -> bytes:
    choice: dict[str, Any] = {"index": 0, "delta": delta, "finish_reason": finish}
    if logprobs:
        text = delta["content"]
        token = {"token": text, "bytes": list(text.encode()), "logprob": -0.1}
        choice["logprobs"] = {"content": [token | {"top_logprobs": [token]}]}
    return _chunk(choices=[choice])


def _answer(*, logprobs: bool) -> bytes:
    usage = {"prompt_tokens": 90, "completion_tokens": 6, "total_tokens": 96}
    events = [
        _choice({"role": "assistant", "content": None}),
        *(_choice({"content": piece}, logprobs=logprobs) for piece in _PIECES),
        _choice({}, "stop"),
        _chunk(choices=[], usage=usage),
        b"data: [DONE]\n\n",
    ]
    head = (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    return head + b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in events) + b"0\r\n\r\n"


_PLAIN, _WITH_LOGPROBS = _answer(logprobs=False), _answer(logprobs=True)
_OK = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n"


class Connection(asyncio.Protocol):
    """One client, which asks one thing at a time."""

    def __init__(self) -> None:
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are not of that class

    def data_received(self, data: bytes) -> None:
        self._data += data
        while True:
            head, found, rest = self._data.partition(b"\r\n\r\n")
            if not found:
                return
            if head.startswith(b"GET"):
                self._data = rest
                self._transport.write(_OK)
                continue
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            if len(rest) < length:
                return
            body, self._data = rest[:length], rest[length:]
            self._transport.write(_WITH_LOGPROBS if b'"logprobs":true' in body else _PLAIN)


async def serve(port: int) -> None:
    """Serve for ever."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", port, backlog=512)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
