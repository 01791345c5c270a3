"""The parts of one gateway and their life: opened in order, closed in the other."""

import time
from contextlib import AsyncExitStack

import aiohttp
import structlog

from crds.gateway import CONFIG_KEY, GatewayReport
from crds.routes import ROUTES_KEY
from runtime.audit import DecisionLog
from runtime.consensus.evidence import EvidenceUnreadableError
from runtime.consensus.learned import Learned
from runtime.gateway.admission import Admission
from runtime.gateway.following import Following
from runtime.gateway.meaning import Meaning
from runtime.gateway.metrics import Metrics
from runtime.gateway.notes import Notes
from runtime.gateway.sessions import Sessions
from runtime.gateway.settings import Settings
from runtime.gateway.sources import ClusterSource, FileSource, Source
from runtime.gateway.teller import Teller
from runtime.gateway.voices import Voices, report
from runtime.gateway.volume import VolumeInUseError, hold

log = structlog.get_logger(__name__)

#: Connections kept to one member; as many as decisions may be made at once is enough.
_CONNECTIONS_PER_HOST = 256


def _today() -> int:
    return int(time.time() // 86_400)


class Gateway:
    """Everything that requests use."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings = settings
        self.metrics = metrics
        #: Set on SIGTERM: clients should go elsewhere, what has begun is finished.
        self.draining = False
        self._stack = AsyncExitStack()

    async def open(self) -> None:
        """Open the volume, follow the operator, watch the members."""
        folder = self.settings.data_dir
        try:
            lock = await hold(folder, lambda: self.draining)
        except VolumeInUseError as error:
            log.error("not_started", reason=str(error))
            raise
        self._stack.callback(lock.close)
        self.decisions = DecisionLog(folder / "decisions")
        self._stack.push_async_callback(self.decisions.close)
        if self.decisions.cut_bytes:
            log.warning("log_repaired", cut_bytes=self.decisions.cut_bytes)
        for damage in self.decisions.damage:
            log.error("log_damaged", damage=damage)
        self.sessions = Sessions(folder / "sessions.db")
        self._stack.push_async_callback(self.sessions.close)
        caught_up = await self.sessions.catch_up(self.decisions)
        if caught_up:
            log.info("sessions_caught_up", decisions=caught_up)
        notes = Notes(self.sessions)
        self._stack.push_async_callback(notes.close)

        http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, limit_per_host=_CONNECTIONS_PER_HOST),
            cookie_jar=aiohttp.DummyCookieJar(),  # engines have no business with cookies
        )
        self._stack.push_async_callback(http.close)
        self.voices = Voices(http, self.metrics)
        self._stack.push_async_callback(self.voices.close)
        self.following = Following(
            self._source(),
            self.settings.config_map or "",
            folder / "last-good",
            self.voices.take,
        )
        self._stack.push_async_callback(self.following.stop)
        self.following.start()
        self.admission = Admission(self.settings.max_decisions, self.settings.max_waiting)
        self.meaning = Meaning()
        self._stack.callback(self.meaning.close)
        self.teller = Teller(
            self.following,
            self.voices,
            self.sessions,
            notes,
            self.decisions,
            self.admission,
            self.metrics,
            self.meaning,
            self._learned(),
        )

    async def close(self) -> None:
        """Finish writing and let go of everything."""
        await self._stack.aclose()
        log.info("closed", decisions=len(self.decisions))

    @property
    def unready(self) -> str | None:
        """Why clients should not come here now, if so."""
        if self.draining:
            return "draining: this gateway is being stopped"
        if not self.following.ready:
            return "waiting for the operator's configuration"
        return None

    def report(self) -> GatewayReport:
        """What it says of itself."""
        config = self.following.config
        return report(
            config.storyteller if config else "",
            config.generation if config else 0,
            self.following.routes,
            self.voices,
            len(self.decisions),
        )

    def _learned(self) -> Learned:
        """What was learned of the members. A file that cannot be read is left alone: the declared
        weights count."""
        try:
            return Learned.read(self.settings.data_dir / "learned.json", _today)
        except EvidenceUnreadableError as error:
            log.error("nothing_learned", file="learned.json", reason=str(error))
            return Learned(_today)

    def _source(self) -> Source:
        config, routes = self.settings.config_file, self.settings.routes_file
        if config is not None and routes is not None:
            return FileSource({CONFIG_KEY: config, ROUTES_KEY: routes})
        source = ClusterSource(self.settings.namespace)
        self._stack.push_async_callback(source.close)
        return source
