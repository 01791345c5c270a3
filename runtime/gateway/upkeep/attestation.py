"""Signing the log: a checkpoint soon after every decision, under the name of this gateway."""

import asyncio
import base64
import random
from collections.abc import Callable

import structlog

from crds.checkpoint import claimed
from crds.gateway import AuditReport, GatewayConfig
from runtime.audit import DecisionLog
from runtime.audit.journal import Inclusion
from runtime.gateway.guards import NotConfiguredError

log = structlog.get_logger(__name__)

#: How long an entry waits for its signature at most.
CHECKPOINT_SECONDS = 10.0


class Attestation:
    """Signs checkpoints of a log as long as it runs."""

    def __init__(
        self, log: DecisionLog, config: Callable[[], GatewayConfig | None], replica: str
    ) -> None:
        self._log = log
        self._config = config
        self._replica = replica
        self._task: asyncio.Task[None] | None = None

    @property
    def origin(self) -> str:
        """The name of this log: namespace, storyteller, replica.

        Raises:
            NotConfiguredError: the operator has not said yet whose gateway this is.
        """
        config = self._config()
        if config is None:
            raise NotConfiguredError
        return f"{config.namespace}/{config.storyteller}/{self._replica}"

    @property
    def key(self) -> str:
        """The public key of this log."""
        return self._log.key(self.origin)

    def start(self) -> None:
        """Begin to sign."""
        self._task = asyncio.create_task(self._keep_signing())

    async def stop(self) -> None:
        """Stop, with one signature more, over everything."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._sign()

    async def checkpoint(self) -> str:
        """The last checkpoint; the first is signed now.

        Raises:
            NotConfiguredError
            OSError: the volume refused.
        """
        origin, note = self.origin, self._log.signed
        if note is not None and claimed(note).origin == origin:
            return note
        return await self._log.checkpoint(origin)

    async def inclusion(self, number: int) -> Inclusion:
        """The proof for an entry. One that is too new to be signed is signed now.

        Raises:
            NotConfiguredError
            IndexError: there is no such entry.
            OSError: the volume refused.
        """
        return await self._log.inclusion(number, self.origin)

    async def consistency(self, first: int) -> tuple[str, list[bytes]]:
        """The last checkpoint, and the proof that its log begins with that of ``first`` entries.

        Raises:
            NotConfiguredError
            IndexError: it does not have so many.
            OSError: the volume refused.
        """
        note = await self.checkpoint()
        return note, await self._log.consistency(first, claimed(note).size)

    async def report(self, since: int | None) -> AuditReport | None:
        """The last checkpoint for the operator, with a proof since the one that it knows. None:
        there is none."""
        try:
            note = await self.checkpoint()
            proof = None
            if since is not None and since <= claimed(note).size:
                proof = await self._log.consistency(since, claimed(note).size)
        except (NotConfiguredError, OSError):
            return None
        return AuditReport(
            key=self.key,
            checkpoint=note,
            since=None if proof is None else since,
            proof=[base64.b64encode(each).decode() for each in proof or ()],
        )

    async def _keep_signing(self) -> None:
        while True:
            await self._sign()
            pause = CHECKPOINT_SECONDS * random.uniform(0.5, 1.0)  # noqa: S311  (jitter)
            await asyncio.sleep(pause)

    async def _sign(self) -> None:
        if not self._log.unsigned or self._config() is None:
            return
        try:
            await self._log.checkpoint(self.origin)
        except OSError as error:
            # The log itself is durable; what is missing is the promise about it.
            log.warning("not_signed", reason=str(error), unsigned=self._log.unsigned)
