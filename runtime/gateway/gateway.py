"""The parts of one gateway and their life: opened in order, closed in the other."""

import asyncio
import random
import sqlite3
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Literal

import aiohttp
import structlog
from redis.asyncio import Redis, RedisCluster

from crds.gateway import CONFIG_KEY, GatewayReport, StoreReport
from crds.routes import ROUTES_KEY, RouteTable
from crds.storyteller import Sessions
from runtime.arms import marked
from runtime.audit import DecisionLog, ErasureEntry
from runtime.audit.kinds import MetricsEntry
from runtime.audit.log import now
from runtime.gateway.following import Following
from runtime.gateway.guards import Guards
from runtime.gateway.members.voices import Voices, report
from runtime.gateway.metrics import Metrics
from runtime.gateway.peers import Peers
from runtime.gateway.proofs import Proofs
from runtime.gateway.room import Room
from runtime.gateway.settings import Settings
from runtime.gateway.story.admission import Admission
from runtime.gateway.story.arms import assigned, open_to
from runtime.gateway.story.council import Council
from runtime.gateway.story.meaning import Meaning
from runtime.gateway.story.paying import ListPrices, Payer
from runtime.gateway.story.recall import Recall
from runtime.gateway.story.records import Records
from runtime.gateway.story.shadows import Shadows
from runtime.gateway.story.summaries import Chronicle
from runtime.gateway.story.teller import Teller
from runtime.gateway.story.watching import begun, first_final, maturing
from runtime.gateway.upkeep.attestation import Attestation
from runtime.gateway.upkeep.expiry import Expiry
from runtime.gateway.upkeep.indexing import Indexing
from runtime.gateway.upkeep.learning import Learning
from runtime.gateway.upkeep.observing import Observing
from runtime.gateway.upkeep.restraint import Restraint
from runtime.gateway.volume import VolumeInUseError, hold
from runtime.groupcommit import BacklogFullError
from runtime.sessions import Session, SessionStore, StoreUnavailableError, UnknownSessionError
from runtime.sessions.hot import HotStore
from runtime.sessions.redis import RedisSessions
from runtime.sessions.sqlite import SqliteSessions
from runtime.sessions.store import Context
from runtime.sessions.tally import posted
from runtime.sources import ClusterSource, FileSource, Source

log = structlog.get_logger(__name__)

#: How often expired sessions are forgotten.
SWEEP_SECONDS = 600.0
#: Sessions of a player that are deleted in one go.
_BATCH = 100
#: Connections kept to one member; as many as decisions may be made at once is enough.
_CONNECTIONS_PER_HOST = 256


class Gateway:
    """Everything that requests use."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings = settings
        self.metrics = metrics
        #: Set on SIGTERM: clients should go elsewhere, what has begun is finished.
        self.draining = False
        #: Where WebSockets are held.
        self.room = Room()
        self._stack = AsyncExitStack()
        #: The way to the World's Redis, for whatever replicas have to agree on.
        self.hot: HotStore | None = None

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
            self._take,
        )
        self._stack.push_async_callback(self.following.stop)
        self.following.start()
        self.sessions = self._store(folder)
        self._stack.push_async_callback(self.sessions.close)
        caught_up = await self.sessions.catch_up(self.decisions)
        if caught_up:
            log.info("sessions_caught_up", decisions=caught_up)
        self._sweeping = asyncio.create_task(self._sweep())
        self._stack.push_async_callback(self._stop_sweeping)
        self.guards = Guards(
            lambda: self.following.config,
            folder,
            self.metrics,
            client=self._redis if self.hot else None,
        )
        self._stack.push_async_callback(self.guards.close)
        tariff = ListPrices()
        payer = Payer(self.guards, tariff)
        chronicle = Chronicle(self.sessions, payer)
        self._stack.push_async_callback(chronicle.close)
        self.indexing = Indexing(self.decisions, folder / "search.db")
        self._stack.push_async_callback(self.indexing.stop)
        self.indexing.start()
        self.learning = Learning(self.decisions, folder / "learned.db")
        self._stack.push_async_callback(self.learning.stop)
        self.learning.start()
        self.attestation = Attestation(
            self.decisions, lambda: self.following.config, self.settings.replica
        )
        self._stack.push_async_callback(self.attestation.stop)
        self.attestation.start()
        self.observing = Observing(
            self.decisions,
            self.sessions,
            lambda: self.following.routes,
            lambda: self.following.trials,
        )
        self._stack.push_async_callback(self.observing.stop)
        self.observing.start()
        expiry = Expiry(self.decisions, self.attestation, lambda: self.following.config)
        self._stack.push_async_callback(expiry.stop)
        expiry.start()
        self.admission = Admission(self.settings.max_decisions, self.settings.max_waiting)
        self.meaning = Meaning()
        self._stack.callback(self.meaning.close)
        name = f"fabula:{{{self.settings.namespace}/{self.settings.storyteller}}}:peers"
        self.proofs = Proofs(self._redis if self.hot else None, name)
        self.peers = Peers(http, self.settings.peers, self.proofs)
        self.recall = Recall(self.metrics, self.meaning.embed)
        self.records = Records(self.decisions, self.sessions, self.peers, self.metrics)
        self.council = Council(
            self.meaning, self.learning.learned, self.guards, tariff, len(self.decisions)
        )
        shadows = Shadows(
            self.decisions, self.sessions, self.voices, payer, self.admission, self.metrics
        )
        self._stack.push_async_callback(shadows.close)
        self.teller = Teller(
            self.following,
            self.voices,
            self.council,
            self.sessions,
            chronicle,
            self.records,
            self.admission,
            self.recall,
            self.guards,
            shadows,
        )

    def _take(self, routes: RouteTable) -> None:
        """Follow a new route table."""
        self.voices.take(routes)
        split = routes.split
        self.metrics.tries_out(split.salt if split and split.watched_seconds else None)

    def closes_after(self, finish: Callable[[], Awaitable[None]]) -> None:
        """Wait for this before anything is closed: for an interface that still uses it."""
        self._stack.push_async_callback(finish)

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
        trouble = self.sessions.trouble
        return None if trouble is None else str(trouble)

    async def begin(
        self,
        player: str | None,
        context: Context | None,
        tester: str | None = None,
        cohorts: Collection[str] | None = None,
    ) -> Session:
        """Begin a session, of a tester where one is named, and of these cohorts where the game says
        which. Where it is watched, the log says so before anybody knows of it.

        Raises:
            StoreUnavailableError: the session store does not answer.
            OSError, sqlite3.Error, BacklogFullError: the volume refused.
        """
        table, config = self.following.routes, self.following.config
        trials = open_to(cohorts, config.trials, config.cohorts) if config else []

        def assign(made: str) -> tuple[str, str | None]:
            return (
                marked(made, trials, player),
                assigned(made, table, tester, player, shadow=True),
            )

        session = await self.sessions.create(player, context, assign)
        of_players = {trial.salt for trial in trials if trial.unit == "Player"}
        entries = [
            each
            for each in begun(session, table, trials)
            if each.rollout not in of_players
            or await self.sessions.enrol(player or "", each.rollout, session.id)
        ]
        await asyncio.gather(*map(self.decisions.note, entries))
        return session

    async def measured(self, session: str, values: Mapping[str, float], actor: str | None) -> None:
        """Take what a game measured of a session. Unless that still counts there is nothing to hold
        it against, and it is let go.

        Raises:
            UnknownSessionError, SessionDeletedError, MetricsFullError
            StoreUnavailableError: the session store does not answer.
            OSError, sqlite3.Error, BacklogFullError: the volume refused.
        """
        known = await self.sessions.get(session)
        watched = maturing(known, self.following.routes, self.following.trials)
        if not watched:
            return
        entries = [
            MetricsEntry(
                time=now(),
                session=session,
                rollout=each.rollout,
                arm=each.arm,
                values=dict(values),
                actor=actor,
            )
            for each in watched
        ]
        await self.sessions.post(session, posted(values, first_final(watched)))
        await asyncio.gather(*map(self.decisions.note, entries))

    async def forget_player(self, player: str, by: str) -> ErasureEntry | None:
        """Destroy what this replica keeps of a player: sessions first, so that nothing of theirs is
        told to a model again, then the key of their words in the log, then what the index has of
        them. None: the log had nothing.

        Raises:
            OSError, sqlite3.Error, BacklogFullError: the volume refused; send it again.
        """
        while found := await self.sessions.by_player(player, _BATCH):
            for session in found:
                with suppress(UnknownSessionError):  # it expired meanwhile
                    await self.sessions.delete(session.id)
        await self.sessions.forget_parts(player)
        self.recall.forget(lambda kept: kept.player == player)
        return await self._unindexed(await self.decisions.forget(player, by))

    @property
    def replicas(self) -> int:
        """How many gateways there should be, this one included."""
        config = self.following.config
        return config.replicas if config else 1

    def report(self) -> GatewayReport:
        """What it says of itself."""
        config = self.following.config
        return report(
            config.storyteller if config else "",
            config.generation if config else 0,
            self.following.routes,
            self.voices,
            len(self.decisions),
            self._store_report(),
            self.following.prompts_refused,
        ).model_copy(
            update={
                "api_keys": self.guards.keys,
                "key_faults": self.guards.key_faults,
                "budgets": self.guards.budgets,
                "tried": self.following.tried,
                "consensus": self.learning.figures(self.following.routes),
            }
        )

    @property
    def origins(self) -> tuple[str, ...]:
        """Whose pages may call it from a browser."""
        config = self.following.config
        return config.cors_origins if config else ()

    async def forget(self, session: str) -> None:
        """Delete a session at the player's wish. Its decisions stay in the log. Without a player
        the words in them are the session's own, and are destroyed here, on record; those of a
        player stay until the player is forgotten."""
        await self.sessions.delete(session)
        self.recall.forget(lambda kept: kept.session == session)
        await self._unindexed(await self.decisions.forget_session(session, "game"))

    async def _unindexed(self, erasure: ErasureEntry | None) -> ErasureEntry | None:
        if erasure is not None:
            await self.indexing.forget(erasure.key)
        return erasure

    @property
    def _policy(self) -> Sessions:
        config = self.following.config
        return config.sessions if config else Sessions()

    def _lifetime(self) -> float:
        return self._policy.expire_after_hours * 3600.0

    def _store(self, folder: Path) -> SessionStore:
        file = self.settings.redis_url_file
        if file is None:
            return SqliteSessions(folder / "sessions.db", self._lifetime)
        self.hot = HotStore(file, self.settings.redis_secret)
        self._stack.push_async_callback(self.hot.close)
        name = f"{self.settings.namespace}/{self.settings.storyteller}"
        return RedisSessions(self.hot, name, self._lifetime, folder / "sessions.db")

    def _redis(self) -> Redis | RedisCluster | None:
        try:
            return self.hot.client if self.hot else None
        except StoreUnavailableError:
            return None

    def _store_report(self) -> StoreReport:
        kind: Literal["Embedded", "Redis"] = "Redis" if self.hot else "Embedded"
        trouble = self.sessions.trouble
        if trouble is None:
            return StoreReport(kind=kind)
        return StoreReport(kind=kind, reason=trouble.reason, message=str(trouble)[:512])

    async def _sweep(self) -> None:
        restraint = Restraint("sessions")
        while True:
            await asyncio.sleep(SWEEP_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311  (jitter)
            try:
                forgotten = await self.sessions.sweep(restraint.allows)
            except (sqlite3.Error, BacklogFullError, StoreUnavailableError) as error:
                log.warning("not_swept", reason=str(error))
            else:
                log.info("swept", sessions=forgotten)

    async def _stop_sweeping(self) -> None:
        self._sweeping.cancel()
        await asyncio.gather(self._sweeping, return_exceptions=True)

    def _source(self) -> Source:
        config, routes = self.settings.config_file, self.settings.routes_file
        if config is not None and routes is not None:
            return FileSource({CONFIG_KEY: config, ROUTES_KEY: routes})
        source = ClusterSource(self.settings.namespace)
        self._stack.push_async_callback(source.close)
        return source
