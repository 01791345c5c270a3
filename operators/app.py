"""The operator put together, from the first request to the last."""

import asyncio
import signal
from datetime import UTC, datetime

import aiohttp
import structlog
from aiohttp import web

from operators import access, backoff, http, kinds
from operators.applier import Applier
from operators.dependents import Dependents
from operators.errors import ApiError
from operators.events import Recorder
from operators.faults import Fault, KillAt
from operators.kube import Kube
from operators.lease import Elector, Terms, lease_ref
from operators.loop import LOOK_LIMIT, Loop
from operators.metrics import Metrics
from operators.observe.evidence import Observers
from operators.observe.prometheus import Prometheus
from operators.observe.reports import Gateways
from operators.reconcile import Reconciler
from operators.resync import Resync
from operators.schedule import Schedule
from operators.settings import Settings
from operators.triggers import Sighting, keys
from operators.watch import Watches, kinds_of_ours
from operators.writer import Writer

log = structlog.get_logger(__name__)

#: Seconds without an answer about the Lease, after which the API server counts as lost.
SILENCE = 15.0
#: Seconds after which a dispatcher that does not come round counts as stuck.
STUCK = 20.0
CRD_RETRY_BASE, CRD_RETRY_CAP = 0.5, 10.0


class Operator:
    """One operator process.

    Args:
        settings: see `operators.settings`.
        reach: the API server.
    """

    def __init__(self, settings: Settings, reach: access.Access) -> None:
        self._settings = settings
        self._access = reach
        self._metrics = Metrics()
        self.port = 0
        #: Set when `port` is known.
        self.listening = asyncio.Event()
        self._installed = False

    async def run(self, stop: asyncio.Event) -> None:
        """Work until stopped, then finish what is under way and give the Lease back."""
        settings = self._settings
        async with (
            Kube(self._access, self._metrics, timeout=settings.request_timeout_seconds) as kube,
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as gateways,
        ):
            parts = _Parts(settings, self._access, self._metrics, kube, gateways)
            runner, self.port = await http.serve(self._http(parts), settings.port)
            self.listening.set()
            log.info("started", identity=settings.identity, port=self.port)
            stopping = asyncio.create_task(stop.wait(), name="stop")
            working = asyncio.create_task(self._work(parts, kube), name="work")
            try:
                await asyncio.wait({stopping, working}, return_when=asyncio.FIRST_COMPLETED)
                # The election goes on meanwhile, so that what is under way can be finished.
                parts.resync.pause()
                await parts.loop.drain(settings.shutdown_seconds)
            finally:
                stopping.cancel()
                working.cancel()
                ended, _ = await asyncio.wait({working})
                await parts.elector.release()
                await runner.cleanup()
            log.info("stopped")
            for task in ended:
                if not task.cancelled():
                    task.result()  # Work does not end by itself: this is its error.

    async def _work(self, parts: "_Parts", kube: Kube) -> None:
        await self._until_installed(kube)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(parts.watches.run(), name="watches")
            tasks.create_task(parts.loop.serve(), name="loop")
            tasks.create_task(parts.resync.run(), name="resync")
            tasks.create_task(parts.elector.run(), name="election")

    async def _until_installed(self, kube: Kube) -> None:
        """Wait until the API server knows our kinds."""
        attempt = 0
        while True:
            attempt += 1
            try:
                missing = await kube.missing_kinds(kinds_of_ours())
                if not missing:
                    self._installed = True
                    return
                said = f"the CustomResourceDefinitions of {', '.join(missing)} are not installed"
            except ApiError as error:
                said = str(error)
            wait = backoff.delay(attempt, base=CRD_RETRY_BASE, cap=CRD_RETRY_CAP)
            log.warning("waiting for our kinds", why=said, seconds=round(wait, 1))
            await asyncio.sleep(wait)

    def _http(self, parts: "_Parts") -> web.Application:
        return http.application(
            self._metrics.registry,
            # The loop begins when there is something to look at.
            health={"loop": lambda: parts.loop_fault() if self._installed else None},
            readiness={
                "kinds": lambda: None if self._installed else "waiting for our kinds",
                "watches": parts.watches_fault,
                "api": parts.api_fault,
            },
        )


class _Parts:
    """What the operator is made of, wired."""

    def __init__(
        self,
        settings: Settings,
        reach: access.Access,
        metrics: Metrics,
        kube: Kube,
        gateways: aiohttp.ClientSession,
    ) -> None:
        clock = asyncio.get_running_loop().time
        terms = Terms(
            ref=lease_ref(settings.lease_namespace, settings.lease_name),
            identity=settings.identity,
            duration=settings.lease_duration_seconds,
            renew_deadline=settings.renew_deadline_seconds,
            retry_period=settings.retry_period_seconds,
            write_timeout=settings.write_timeout_seconds,
        )
        self.elector = Elector(kube, terms, metrics, self._led)
        kill_at = settings.fault_kill_at
        writer = Writer(
            kube,
            self.elector.allowance,
            metrics,
            Fault(KillAt.parse(kill_at) if kill_at else None),
        )
        self.dependents = Dependents()
        asking = Gateways(gateways, timeout=settings.report_timeout_seconds)
        observers = Observers(asking, clock, settings.prometheus_allowed)
        reconciler = Reconciler(
            kube,
            Applier(writer, Recorder(writer, settings.identity, _now)),
            kinds.handlers(
                settings.defaults,
                asking.ask,
                observers,
                observers.of_experiment,
                Prometheus(
                    gateways,
                    settings.prometheus_allowed,
                    clock,
                    _now,
                    settings.prometheus_timeout_seconds,
                ),
            ),
            self.dependents,
            _now,
        )
        self.loop = Loop(Schedule(clock), reconciler, metrics, settings.concurrency, clock)
        self.resync = Resync(kube, settings.watched, self.loop.notice, settings.resync_seconds)
        self.watches = Watches(reach, settings.namespaces, self._seen, metrics)

    def _led(self, leading: bool) -> None:
        if leading:
            self.loop.resume()
            self.resync.resume()
        else:
            self.resync.pause()
            self.loop.pause()

    def _seen(self, sighting: Sighting) -> None:
        for key in keys(sighting, self.dependents):
            self.loop.notice(key)

    def loop_fault(self) -> str | None:
        if self.loop.age > STUCK:
            return f"the dispatcher has not come round for {self.loop.age:.0f} s"
        if self.loop.longest_run > 2 * LOOK_LIMIT:
            return f"a look has taken {self.loop.longest_run:.0f} s"
        return None

    def watches_fault(self) -> str | None:
        return None if self.watches.established else "the watches are not established"

    def api_fault(self) -> str | None:
        if self.elector.silence > SILENCE:
            return f"no answer about the Lease for {SILENCE:.0f} s"
        return None


def _now() -> datetime:
    return datetime.now(UTC)


async def main(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT.

    Raises:
        access.NoAccessError: there is no way to an API server.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await Operator(settings, await access.load()).run(stop)
