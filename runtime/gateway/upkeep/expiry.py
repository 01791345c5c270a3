"""Removing decisions that are older than the Storyteller keeps them."""

import asyncio
import random
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from crds.gateway import GatewayConfig
from runtime.audit import DecisionLog
from runtime.gateway.upkeep.attestation import Attestation
from runtime.gateway.upkeep.restraint import Restraint

log = structlog.get_logger(__name__)

#: Between two looks. The first is soon after the start, so that restarts do not put it off.
SECONDS = 3600.0
FIRST_SECONDS = 60.0


class Expiry:
    """Looks for what is too old as long as it runs."""

    def __init__(
        self,
        log: DecisionLog,
        attestation: Attestation,
        config: Callable[[], GatewayConfig | None],
    ) -> None:
        self._log = log
        self._attestation = attestation
        self._config = config
        self._restraint = Restraint("decisions")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._keep_looking())

    async def stop(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def look(self, now: datetime) -> None:
        """Remove what is too old now, if the Storyteller says when that is."""
        config = self._config()
        if config is None or config.retention_days is None:
            return
        try:
            removal = await self._log.expire(
                config.retention_days, now, self._attestation.origin, self._restraint.allows
            )
        except (OSError, sqlite3.Error) as error:
            log.warning("not_expired", reason=str(error))
            return
        if removal is not None:
            log.info("expired", before=removal.before, days=removal.days)

    async def _keep_looking(self) -> None:
        pause = FIRST_SECONDS
        while True:
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311  (jitter)
            await self.look(datetime.now(UTC))
            pause = SECONDS
