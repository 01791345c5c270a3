"""kopf, for what it is good at: watches that reconnect. It lists and watches our kinds and what we
make of them, and passes on what it saw; nothing of it writes to the cluster.

It runs in a thread and event loop of its own, because it cancels every task of its loop when it
ends, and because a watch that cannot go on ends all of it. Then it is started again.
"""

import asyncio
import contextlib
import random
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from typing import Any

import kopf
import structlog

from crds import API_VERSION, GROUP, KINDS, VERSION
from operators import backoff
from operators.access import Access
from operators.metrics import Metrics
from operators.resources import PLURALS
from operators.triggers import Sighting

log = structlog.get_logger(__name__)

#: What we make, watched by label.
OURS = (
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "ControllerRevision"),
    ("batch/v1", "Job"),
    ("policy/v1", "PodDisruptionBudget"),
    ("v1", "Service"),
    ("v1", "PersistentVolumeClaim"),
)
#: What people make and we refer to as well: watched as a whole.
SHARED = (("v1", "ConfigMap"),)
MANAGED_BY = "app.kubernetes.io/managed-by=fabula"

RETRY_BASE, RETRY_CAP = 1.0, 30.0
#: Seconds for kopf to close its connections.
GOODBYE = 5.0
#: Runs longer than this count as a success.
SETTLED = 60.0


class Watches:
    """Keeps kopf running.

    Args:
        namespaces: those to watch; none means all.
        seen: called on our own event loop with each sighting.
    """

    def __init__(
        self,
        access: Access,
        namespaces: Iterable[str],
        seen: Callable[[Sighting], None],
        metrics: Metrics,
        rng: backoff.Random = random.random,
    ) -> None:
        self._access = access
        self._namespaces = tuple(namespaces)
        self._seen = seen
        self._metrics = metrics
        self._rng = rng
        self._ready = threading.Event()

    @property
    def established(self) -> bool:
        """Whether the watches run."""
        return self._ready.is_set()

    async def run(self) -> None:
        """Watch until cancelled."""
        loop = asyncio.get_running_loop()
        failures = 0
        self._metrics.watches.set_function(lambda: float(self.established))
        while True:
            started = loop.time()
            await self._watch(loop)
            failures = 1 if loop.time() - started > SETTLED else failures + 1
            wait = backoff.delay(failures, base=RETRY_BASE, cap=RETRY_CAP, rng=self._rng)
            log.warning("the watches ended and are started again", seconds=round(wait, 1))
            await asyncio.sleep(wait)

    async def _watch(self, ours: asyncio.AbstractEventLoop) -> None:
        """Run kopf in a thread until it ends, or end it when cancelled."""
        ended = asyncio.Event()
        stopper: list[Callable[[], object]] = []
        cancelled = threading.Event()

        async def operate() -> None:
            stop = asyncio.Event()
            theirs = asyncio.get_running_loop()
            stopper.append(partial(theirs.call_soon_threadsafe, stop.set))
            if cancelled.is_set():
                return
            theirs_from_now = await kopf.spawn_tasks(
                registry=self._registry(ours),
                settings=settings(),
                standalone=True,
                clusterwide=not self._namespaces,
                namespaces=self._namespaces,
                stop_flag=stop,
                ready_flag=self._ready,
            )
            await _to_the_end(theirs_from_now)

        def run() -> None:
            try:
                asyncio.run(operate())
            except Exception as error:
                # kopf raises whatever ended a watch: a missing permission, a namespace that went.
                log.error("the watches cannot go on", error=f"{type(error).__name__}: {error}")
            finally:
                self._ready.clear()
                with contextlib.suppress(RuntimeError):  # our own loop may have ended first
                    ours.call_soon_threadsafe(ended.set)

        threading.Thread(target=run, name="watches", daemon=True).start()
        try:
            await ended.wait()
        except asyncio.CancelledError:
            cancelled.set()
            with contextlib.suppress(RuntimeError):  # their loop may have ended first
                for stop in stopper:
                    stop()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE):
                    await ended.wait()
            raise

    def _registry(self, loop: asyncio.AbstractEventLoop) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()

        async def login(**_: Any) -> kopf.ConnectionInfo:
            return await self._login()

        async def sighted(body: kopf.Body, **_: Any) -> None:
            loop.call_soon_threadsafe(self._seen, Sighting.of(dict(body)))

        kopf.on.login(registry=registry)(login)
        for kind in KINDS:
            kopf.on.event(GROUP, VERSION, kind.names.plural, registry=registry)(sighted)
        for api_version, kind_name in (*OURS, *SHARED):
            group, _, version = api_version.rpartition("/")
            plural = PLURALS[api_version, kind_name]
            kopf.on.event(group, version, plural, registry=registry)(sighted)
        return registry

    async def _login(self) -> kopf.ConnectionInfo:
        """The same access as everything else, in kopf's own words. It asks again when the API
        server no longer takes the token."""
        conf = self._access.configuration
        token = (await self._access.headers()).get("Authorization", "")
        scheme, _, value = token.partition(" ")
        return kopf.ConnectionInfo(
            server=self._access.server,
            ca_path=conf.ssl_ca_cert,
            insecure=not conf.verify_ssl,
            certificate_path=conf.cert_file,
            private_key_path=conf.key_file,
            scheme=scheme or None,
            token=value or None,
            proxy_url=conf.proxy,
        )


def settings() -> kopf.OperatorSettings:
    """kopf with everything off that writes, and with waits that end."""
    chosen = kopf.OperatorSettings()
    chosen.posting.enabled = False
    chosen.posting.loggers = False
    chosen.scanning.disabled = True
    chosen.peering.standalone = True
    # Its last resort kills the process; ending is ours.
    chosen.process.ultimate_exiting_timeout = None
    chosen.networking.connect_timeout = 5
    chosen.networking.request_timeout = 30
    chosen.networking.error_backoffs = _Backoffs()
    chosen.watching.chunk_size = 100
    chosen.watching.reconnect_backoff = 0.5
    for api_version, kind in OURS:
        group, _, version = api_version.rpartition("/")
        key = (group, version, PLURALS[api_version, kind])
        chosen.watching.label_selectors[key] = MANAGED_BY
    return chosen


async def _to_the_end(tasks: Collection[asyncio.Task[None]]) -> None:
    """Let kopf run until one of its tasks ends, and see that the others do.

    kopf cancels each of its tasks once, and a watcher that is about to send a request takes that
    for the end of the request and goes on for ever; so it is told again.
    """
    ours = asyncio.current_task()
    ending = asyncio.create_task(kopf.run_tasks(tasks, ignored=asyncio.all_tasks() - {*tasks}))
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    while not ending.done():
        await asyncio.wait({ending}, timeout=GOODBYE)
        if not ending.done():
            for task in asyncio.all_tasks() - {ours, ending}:
                task.cancel()
    await ending


class _Backoffs:
    """Waits between tries of one request of kopf, new ones each time."""

    def __iter__(self) -> Iterator[float]:
        for attempt in range(1, 6):
            yield backoff.delay(attempt, base=0.5, cap=5.0)


def kinds_of_ours() -> dict[str, frozenset[str]]:
    """The kinds that must be served before there is anything to watch."""
    return {API_VERSION: frozenset(kind.names.kind for kind in KINDS)}
