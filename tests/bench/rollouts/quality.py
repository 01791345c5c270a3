"""What players of a new revision saw in the last seconds, for whoever asks over HTTP."""

import json
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from time import monotonic
from typing import Any

#: How far it looks back, in seconds.
WINDOW = 5.0


class Quality:
    """A moving share of good answers. Without any it is 100 %, as in the usual query."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, bool]] = deque(maxlen=10_000)
        self.address = ""

    def saw(self, *, good: bool) -> None:
        self._seen.append((monotonic(), good))

    def percent(self) -> float:
        since = monotonic() - WINDOW
        recent = [good for at, good in list(self._seen) if at >= since]
        return 100 * sum(recent) / len(recent) if recent else 100.0

    @contextmanager
    def served(self) -> Iterator[None]:
        """Answer at `address` for as long as the block runs."""

        class Handler(BaseHTTPRequestHandler):
            def do_GET(handler) -> None:  # noqa: N805 - the library's names
                body = json.dumps({"percent": self.percent()}).encode()
                handler.send_response(200)
                handler.send_header("Content-Type", "application/json")
                handler.end_headers()
                handler.wfile.write(body)

            def log_message(handler, *_: Any) -> None:  # noqa: N805
                """Nothing: the table is what this says."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            self.address = f"http://127.0.0.1:{server.server_port}/"
            thread = Thread(target=server.serve_forever, daemon=True)
            thread.start()
            yield
            server.shutdown()
