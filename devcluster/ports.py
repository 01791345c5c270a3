"""Ports, seen from outside: which are free on the machine, which are served inside a cluster."""

import contextlib
import socket
from pathlib import Path

from devcluster import processes
from devcluster.layout import Layout

_LISTEN = "0A"


def listens(layout: Layout, port: int) -> bool:
    """Whether something inside the cluster's network listens on a TCP port."""
    for pid in processes.recorded(layout).values():
        if pid is not None and port in _listening(Path(f"/proc/{pid}/net")):
            return True
    return False


def listen(port: int) -> socket.socket:
    """A listening socket on 127.0.0.1 of the machine, to be inherited."""
    return socket.create_server(("127.0.0.1", port), backlog=128)


def is_free(port: int) -> bool:
    with contextlib.suppress(OSError):
        listen(port).close()
        return True
    return False


def answers(path: Path) -> bool:
    """Whether a server accepts connections on a Unix socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(1)
        with contextlib.suppress(OSError):
            sock.connect(str(path))
            return True
    return False


def _listening(net: Path) -> set[int]:
    ports = set()
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in (net / table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTEN:
                    ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports
