"""The few calls to the API server that starting a cluster needs, as its administrator.

Not a client library: a start applies a dozen objects and polls three, and kubectl would take longer
to begin than these calls take altogether.
"""

import http.client
import json
import ssl
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from devcluster.errors import ClusterError, UnreachableError

_TIMEOUT_SECONDS = 10.0
Object = dict[str, Any]


class Api:
    """An API server at 127.0.0.1."""

    def __init__(self, port: int, pki: Path) -> None:
        self._port = port
        self._pki = pki

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self._pki / "ca.crt"))
        context.load_cert_chain(self._pki / "admin.crt", self._pki / "admin.key")
        return context

    def ready(self) -> bool:
        """Whether it serves and has done what it does once at start."""
        try:
            status, _ = self._call("GET", "/readyz")
        except UnreachableError:
            return False
        return status == http.client.OK

    def get(self, path: str) -> Object | None:
        """The object at a path, None where there is none."""
        status, body = self._call("GET", path)
        if status == http.client.NOT_FOUND:
            return None
        return _checked("GET", path, status, body)

    def apply(self, path: str, content: Mapping[str, Any]) -> None:
        """Server-side apply; a conflict is ours to win, what we apply is ours."""
        target = f"{path}?fieldManager=devcluster&force=true"
        status, body = self._call("PATCH", target, json.dumps(content))
        _checked("PATCH", path, status, body)

    def _call(self, method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self._port, timeout=_TIMEOUT_SECONDS, context=self._tls
        )
        try:
            headers = {"Content-Type": "application/apply-patch+yaml"} if body else {}
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            raise UnreachableError(f"the API server at 127.0.0.1:{self._port}: {error}") from error
        finally:
            connection.close()


def _checked(method: str, path: str, status: int, body: bytes) -> Object:
    if status >= http.client.BAD_REQUEST:
        raise ClusterError(f"{method} {path}: {status} {body.decode(errors='replace')[:500]}")
    parsed = json.loads(body)
    if not isinstance(parsed, dict):
        raise ClusterError(f"{method} {path}: expected an object")
    return parsed
