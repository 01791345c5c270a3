"""Where configuration comes from: a ConfigMap that is watched, or a file. Both yield the text each
time it may have changed."""

import asyncio
import json
import os
import random
import ssl
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import structlog

log = structlog.get_logger(__name__)

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
#: A watch is begun again this often, so that a dead connection is noticed.
_WATCH_SECONDS = 60
_MAX_BACKOFF_SECONDS = 10.0
_FILE_POLL_SECONDS = 0.25


class Source(Protocol):
    """A place with texts by name."""

    def follow(self, name: str, key: str) -> AsyncGenerator[str | None, None]:
        """The text now and after each change; None: there is none. Never ends, never raises."""
        ...


class FileSource:
    """Files, looked at a few times a second. ``name`` is ignored: each key has its file."""

    def __init__(self, files: dict[str, Path]) -> None:
        self._files = files

    async def follow(self, name: str, key: str) -> AsyncGenerator[str | None, None]:
        """See Source."""
        path = self._files[key]
        seen: object = object()
        while True:
            try:
                stat = path.stat()
                mark: object = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            except OSError:
                mark = None
            if mark != seen:
                seen = mark
                yield None if mark is None else await asyncio.to_thread(path.read_text)
            await asyncio.sleep(_FILE_POLL_SECONDS)


class WatchBrokenError(Exception):
    """The API server ended the watch with an error event."""


class ClusterSource:
    """ConfigMaps over the pod's own service account.

    Speaks to the API server directly: a list and a watch of one object need no client library,
    and the official one costs 20 MB.
    """

    def __init__(
        self,
        namespace: str,
        *,
        server: str | None = None,
        account: Path = _ACCOUNT,
        rng: random.Random | None = None,
    ) -> None:
        host = os.environ.get("KUBERNETES_SERVICE_HOST", "kubernetes.default.svc")
        port = os.environ.get("KUBERNETES_SERVICE_PORT", "443")
        host = f"[{host}]" if ":" in host else host
        self._server = server or f"https://{host}:{port}"
        self._path = f"/api/v1/namespaces/{namespace}/configmaps"
        self._account = account
        self._rng = rng or random.Random()  # noqa: S311  (jitter)
        self._http: aiohttp.ClientSession | None = None

    async def follow(self, name: str, key: str) -> AsyncGenerator[str | None, None]:
        """See Source. What stood before goes on standing while the API server is away."""
        failures = 0
        while True:
            try:
                async with aclosing(self._objects(name)) as objects:
                    async for data in objects:
                        failures = 0
                        yield data.get(key)
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError, WatchBrokenError) as e:
                failures += 1
                delay = min(_MAX_BACKOFF_SECONDS, 0.2 * 2 ** min(failures, 8))
                delay *= self._rng.uniform(0.5, 1.0)
                log.warning("watch_failed", config_map=name, reason=str(e) or repr(e), retry=delay)
                await asyncio.sleep(delay)

    async def close(self) -> None:
        """Let go of connections."""
        if self._http is not None:
            await self._http.close()

    async def _objects(self, name: str) -> AsyncGenerator[dict[str, str], None]:
        """One list and the watch after it."""
        query = {"fieldSelector": f"metadata.name={name}"}
        async with self._session().get(
            self._server + self._path,
            params=query,
            headers=await self._headers(),
            timeout=aiohttp.ClientTimeout(total=10),
        ) as response:
            response.raise_for_status()
            listed = await response.json()
        items = listed.get("items") or [{}]
        yield items[0].get("data") or {}
        watch = {
            **query,
            "watch": "true",
            "resourceVersion": listed["metadata"]["resourceVersion"],
            "timeoutSeconds": str(_WATCH_SECONDS),
        }
        async with self._session().get(
            self._server + self._path,
            params=watch,
            headers=await self._headers(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=_WATCH_SECONDS + 5),
        ) as response:
            response.raise_for_status()
            async for line in _lines(response):
                yield _data_of(json.loads(line))

    async def _headers(self) -> dict[str, str]:
        # The token is renewed on disk while the pod runs.
        path = self._account / "token"
        try:
            token = await asyncio.to_thread(path.read_text)
        except FileNotFoundError:
            return {}
        return {"Authorization": f"Bearer {token.strip()}"}

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            authority = self._account / "ca.crt"
            context = ssl.create_default_context(cafile=authority) if authority.exists() else None
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context if context is not None else True)
            )
        return self._http


async def _lines(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    """Lines of any length: a ConfigMap is longer than aiohttp's line buffer."""
    pending = b""
    async for piece in response.content.iter_any():
        *whole, pending = (pending + piece).split(b"\n")
        for line in whole:
            if line.strip():
                yield line


def _data_of(event: dict[str, Any]) -> dict[str, str]:
    if event.get("type") == "ERROR":  # 410 Gone among them: list again
        raise WatchBrokenError(str((event.get("object") or {}).get("message", event)))
    if event.get("type") == "DELETED":
        return {}
    return (event.get("object") or {}).get("data") or {}
