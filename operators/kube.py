"""Requests to the API server: small, untyped objects in, objects out, every failure a typed error.

Objects are dicts as the API server returns them. `managedFields` are dropped on the way in: nobody
here reads them, and they are half of an object's size.
"""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Self

import aiohttp

from controllers.conditions import clip
from controllers.plan import Object, Ref
from operators import backoff
from operators.access import Access, NoAccessError
from operators.errors import (
    ExpiredError,
    ForbiddenError,
    NotFoundError,
    UnavailableError,
)
from operators.metrics import Metrics
from operators.resources import collection_path, object_path, version_path
from operators.wire import Request, answer

FIELD_MANAGER = "fabula"
#: Tries of one request, with waits of at most so many seconds between.
ATTEMPTS, RETRY_BASE, RETRY_CAP = 4, 0.2, 3.0
#: Objects in one page of a list.
PAGE = 250
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"

#: How many seconds a request may take, asked before each try. It may raise instead.
Allowance = Callable[[], float]


class Kube:
    """A connection pool to one API server.

    Args:
        access: where it is and how to be let in.
        metrics: counts each try.
        timeout: seconds for one try of a read; writes bring their own.
        attempts: tries before giving up, where the failure may pass.
    """

    def __init__(
        self,
        access: Access,
        metrics: Metrics,
        *,
        timeout: float = 5,
        attempts: int = ATTEMPTS,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: backoff.Random = random.random,
    ) -> None:
        self._access = access
        self._metrics = metrics
        self._timeout = timeout
        self._attempts = attempts
        self._sleep = sleep
        self._rng = rng
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        secure = self._access.server.startswith("https:")
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=32, ssl=self._access.tls if secure else True, keepalive_timeout=60
            )
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session:
            await self._session.close()

    async def get(self, ref: Ref) -> Object | None:
        """The live object; None when it, or its namespace, is not there."""
        request = Request("get", "GET", object_path(ref), ref.kind, _target(ref))
        try:
            return _slim(await self._send(request))
        except NotFoundError:
            return None

    async def list_all(
        self,
        api_version: str,
        kind: str,
        namespace: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> list[Object]:
        """All live objects of a kind that carry these labels, page by page."""
        try:
            return await self._pages(api_version, kind, namespace, labels)
        except ExpiredError:
            # Between two pages the list was compacted away. A second time is a failure.
            return await self._pages(api_version, kind, namespace, labels)

    async def _pages(
        self, api_version: str, kind: str, namespace: str | None, labels: Mapping[str, str] | None
    ) -> list[Object]:
        params = {"limit": str(PAGE)}
        if labels:
            params["labelSelector"] = ",".join(f"{k}={v}" for k, v in sorted(labels.items()))
        path = collection_path(api_version, kind, namespace)
        found: list[Object] = []
        while True:
            where = f"in {namespace}" if namespace else "in all namespaces"
            page = await self._send(Request("list", "GET", path, kind, where, params))
            # Items of a list do not say what they are.
            found += [
                {"apiVersion": api_version, "kind": kind, **_slim(item)}
                for item in page.get("items") or ()
            ]
            if not (more := page.get("metadata", {}).get("continue")):
                return found
            params = {**params, "continue": more}

    async def apply(
        self, obj: Object, *, subresource: str = "", allowance: Allowance | None = None
    ) -> Object:
        """Server-side apply: what `obj` says holds, and what it no longer says is given up."""
        ref = Ref.of(obj)
        verb = f"apply-{subresource}" if subresource else "apply"
        params = {"fieldManager": FIELD_MANAGER, "force": "true"}
        path = object_path(ref, subresource)
        request = Request(verb, "PATCH", path, ref.kind, _target(ref), params, obj, APPLY)
        return _slim(await self._send(request, allowance))

    async def merge_patch(
        self, ref: Ref, body: Object, *, allowance: Allowance | None = None
    ) -> Object:
        """JSON merge patch; an empty body reads the object, for who may patch and not get."""
        params = {"fieldManager": FIELD_MANAGER}
        request = Request(
            "patch", "PATCH", object_path(ref), ref.kind, _target(ref), params, body, MERGE
        )
        return _slim(await self._send(request, allowance))

    async def create(self, obj: Object, *, allowance: Allowance | None = None) -> Object:
        """Create, and fail with AlreadyExistsError where it is there."""
        ref = Ref.of(obj)
        path = collection_path(ref.api_version, ref.kind, ref.namespace)
        params = {"fieldManager": FIELD_MANAGER}
        request = Request("create", "POST", path, ref.kind, _target(ref), params, obj)
        return _slim(await self._send(request, allowance))

    async def replace(self, obj: Object, *, allowance: Allowance | None = None) -> Object:
        """Replace the version that `obj` was read at, in one try."""
        ref = Ref.of(obj)
        params = {"fieldManager": FIELD_MANAGER}
        request = Request("update", "PUT", object_path(ref), ref.kind, _target(ref), params, obj)
        return _slim(await self._send(request, allowance, attempts=1))

    async def delete(self, ref: Ref, uid: str, *, allowance: Allowance | None = None) -> None:
        """Delete the object with this uid and, in the background, what it owns.

        Raises:
            NotFoundError: it is gone.
            ConflictError: an object of that name has another uid.
        """
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": uid},
            "propagationPolicy": "Background",
        }
        request = Request("delete", "DELETE", object_path(ref), ref.kind, _target(ref), body=body)
        await self._send(request, allowance)

    async def missing_kinds(self, wanted: Mapping[str, frozenset[str]]) -> list[str]:
        """Which of these kinds, by API version, the API server does not serve."""
        missing: list[str] = []
        for api_version, kinds in wanted.items():
            request = Request(
                "discover", "GET", version_path(api_version), "APIResourceList", api_version
            )
            try:
                found = await self._send(request)
            except NotFoundError:
                found = {}
            served = {resource["kind"] for resource in found.get("resources") or ()}
            missing += sorted(f"{kind} ({api_version})" for kind in kinds - served)
        return missing

    async def _send(
        self, request: Request, allowance: Allowance | None = None, attempts: int | None = None
    ) -> Any:
        """Send until it is answered. All requests here may be repeated: reads, applies, merge
        patches of constants, creations and deletions bound to a name or uid."""
        last = attempts or self._attempts
        renewed = False
        attempt = 0
        while True:
            attempt += 1
            seconds = allowance() if allowance else self._timeout
            try:
                return await self._try(request, seconds)
            except ForbiddenError as error:
                if error.status != 401 or renewed:
                    raise
                renewed = True
                try:
                    await self._access.renew()
                except NoAccessError:
                    raise error from None
            except UnavailableError as error:
                if attempt >= last:
                    raise
                wait = backoff.delay(attempt, base=RETRY_BASE, cap=RETRY_CAP, rng=self._rng)
                await self._sleep(max(wait, min(error.retry_after, RETRY_CAP)))

    async def _try(self, request: Request, seconds: float) -> Any:
        if self._session is None:
            raise RuntimeError("the connection is not open; use `async with`")
        conf = self._access.configuration
        code = 0
        try:
            async with self._session.request(
                request.method,
                self._access.server + request.path,
                # The server stops working on it when nobody waits any more.
                params={**request.params, "timeout": f"{max(1, int(seconds * 1000))}ms"},
                data=None if request.body is None else json.dumps(request.body).encode(),
                headers={
                    "Accept": "application/json",
                    "Content-Type": request.content_type,
                    "User-Agent": "fabula-operator",
                    **await self._access.headers(),
                },
                timeout=aiohttp.ClientTimeout(total=seconds),
                allow_redirects=False,
                proxy=conf.proxy,
                server_hostname=conf.tls_server_name,
            ) as response:
                code = response.status
                body = await response.read()
                hint = response.headers.get("Retry-After", "")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            code = 0
            said = f"no answer within {seconds:.1f} s" if isinstance(error, TimeoutError) else ""
            raise UnavailableError(str(request), said or clip(str(error), 300)) from None
        finally:
            self._metrics.requests.labels(request.verb, request.kind, str(code)).inc()
        return answer(request, code, body, hint)


def _slim(obj: Object) -> Object:
    obj.get("metadata", {}).pop("managedFields", None)
    return obj


def _target(ref: Ref) -> str:
    return f"{ref.namespace}/{ref.name}"
