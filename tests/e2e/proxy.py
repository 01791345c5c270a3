"""A TCP proxy between an operator and the API server that can be cut."""

import socket
import threading
from types import TracebackType


class Proxy:
    """Forwards bytes until `cut`; then holds connections open and delivers nothing."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open = threading.Event()
        self._open.set()
        self._closed = threading.Event()

    def __enter__(self) -> "Proxy":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closed.set()
        self._open.set()
        self._listener.close()

    def cut(self) -> None:
        """From now on nothing passes; peers notice only by their own timeouts."""
        self._open.clear()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target, timeout=10)
            except OSError:
                return
            for source, sink in ((near, far), (far, near)):
                source.settimeout(None)
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                self._open.wait()
                if self._closed.is_set():
                    return
                sink.sendall(data)
        except OSError:
            pass  # one side hung up; the other is told below
        finally:
            for end in (source, sink):
                end.close()
