"""One configuration service: what it follows, who may read it, and who waits for a change."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

import structlog
from pydantic import ValidationError

from crds.config import CONFIG_KEY, WorldConfig
from runtime.config.evaluation import Catalogue
from runtime.config.metrics import Metrics
from runtime.config.settings import Settings
from runtime.limits.keys import Scope
from runtime.limits.rates import Counted, EmbeddedRates
from runtime.limits.visits import Keys, RateLimitedError, Visit, key_rate
from runtime.sources import ClusterSource, FileSource, Source

log = structlog.get_logger(__name__)

_REMEDY = "spec.config.perKeyPerMinute of the World"


class NotConfiguredError(Exception):
    """The operator has not said yet what is to be served."""


class CrowdedError(Exception):
    """As many requests wait for a change as may."""


class ConfigService:
    """Follows the ConfigMap and answers from memory."""

    def __init__(self, settings: Settings, source: Source | None = None) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self._cluster: ClusterSource | None = None
        self._source = source or self._source_of(settings)
        self._catalogue: Catalogue | None = None
        self._keys = Keys()
        self._rates = EmbeddedRates()
        self._changed = asyncio.Event()
        self._waiting = 0
        self._task: asyncio.Task[None] | None = None
        #: Whether it is being stopped.
        self.draining = False

    @property
    def unready(self) -> str | None:
        """Why clients should not come here."""
        if self.draining:
            return "being stopped"
        if self._catalogue is None:
            return "waiting for the operator's configuration"
        return None

    @property
    def catalogue(self) -> Catalogue:
        """What is served now.

        Raises:
            NotConfiguredError: nothing yet.
        """
        if self._catalogue is None:
            raise NotConfiguredError
        return self._catalogue

    @property
    def origins(self) -> tuple[str, ...]:
        """Whose pages may call."""
        return self._catalogue.config.cors_origins if self._catalogue else ()

    def open(self) -> None:
        """Begin to follow."""
        self._task = asyncio.create_task(self._follow())

    def drain(self) -> None:
        """Tell those who wait that it ends."""
        self.draining = True
        self._changed.set()

    async def close(self) -> None:
        """Stop following."""
        self.drain()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._cluster is not None:
            await self._cluster.close()

    def visit(self, headers: Mapping[str, str], scope: Scope) -> Visit:
        """Who calls, if he may do this.

        Raises:
            NotConfiguredError: it is not known yet whether keys are asked for.
            UnauthenticatedError: there is no key, or none that is known.
            ForbiddenError: the key has not that scope.
        """
        return self._keys.visit(self.catalogue.config.api_keys_dir, headers, scope)

    async def count(self, visit: Visit) -> None:
        """Count a request of the caller.

        Raises:
            RateLimitedError: a limit is reached; the request is not counted.
        """
        config = self.catalogue.config
        rate = key_rate(config.per_key_per_minute, visit.caller)
        if rate is None:
            return
        counted = Counted(rate.shared_by(config.replicas), visit.caller.key or "")
        ruling = await self._rates.admit([counted])
        visit.quotas = ruling.quotas
        if (refused := ruling.refused_by) is not None:
            self.metrics.limited.inc()
            raise RateLimitedError(refused, f"{visit.caller.described} at each replica", _REMEDY)

    async def change(self, seconds: float) -> None:
        """Return when something else is served, the service ends, or so many seconds are over.

        Raises:
            CrowdedError: too many wait already.
        """
        if self.draining:
            return
        if self._waiting >= self.settings.max_waiting:
            raise CrowdedError
        self._waiting += 1
        self.metrics.waiting.set(self._waiting)
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            pass
        finally:
            self._waiting -= 1
            self.metrics.waiting.set(self._waiting)

    async def _follow(self) -> None:
        name = self.settings.config_map or ""
        texts: AsyncGenerator[str | None, None] = self._source.follow(name, CONFIG_KEY)
        async with aclosing(texts):
            async for text in texts:
                if text is not None:
                    self._take(text)

    def _take(self, text: str) -> None:
        """What cannot be read changes nothing."""
        try:
            catalogue = Catalogue(WorldConfig.model_validate_json(text))
        except ValidationError as error:
            faults = error.errors(include_input=False, include_url=False)[:5]
            log.error("not_understood", key=CONFIG_KEY, faults=faults)
            return
        except ValueError as error:
            log.error("not_understood", key=CONFIG_KEY, reason=str(error))
            return
        if self._catalogue is not None and catalogue.config == self._catalogue.config:
            return
        self._catalogue = catalogue
        self.metrics.tunables.set(len(catalogue.config.tunables))
        self.metrics.generation.set(catalogue.config.generation)
        log.info(
            "configured", generation=catalogue.config.generation, digest=catalogue.config.digest
        )
        if not self.draining:
            self._changed.set()
            self._changed = asyncio.Event()

    def _source_of(self, settings: Settings) -> Source:
        if settings.config_file is not None:
            return FileSource({CONFIG_KEY: settings.config_file})
        self._cluster = ClusterSource(settings.namespace)
        return self._cluster
