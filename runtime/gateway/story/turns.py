"""One turn of a session at a time: it is claimed before it is told, held on to for as long as that
takes, and given back where nothing came of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import structlog

from runtime.sessions import (
    Claim,
    Decided,
    SessionStore,
    StoreUnavailableError,
    TurnLostError,
)
from runtime.sessions.tally import IN_VAIN

log = structlog.get_logger(__name__)

#: How long a claim on a turn lasts unless it is held on to, and how often it is: so long does a
#: gateway that is killed keep a session from being told elsewhere.
LEASE_SECONDS = 6.0
HOLD_SECONDS = LEASE_SECONDS / 4


class Turns:
    """The turns of the sessions in a store."""

    def __init__(self, sessions: SessionStore) -> None:
        self._sessions = sessions

    async def begin(self, session: str, key: str | None) -> Claim | Decided:
        """Claim the session's next turn, unless the key has been decided. See SessionStore."""
        return await self._sessions.begin(session, key, LEASE_SECONDS)

    @asynccontextmanager
    async def held(self, claim: Claim) -> AsyncIterator[None]:
        """Hold on to a claim for as long as the body runs; where that fails, give it back."""
        hold = _Hold(self._sessions, claim)
        try:
            yield
        except BaseException:
            await asyncio.shield(self._give_back(claim))
            raise
        finally:
            hold.end()

    async def confirm(self, claim: Claim, seconds: float) -> None:
        """Make sure that a claim of so many seconds ago has not ended.

        Raises:
            TurnLostError: somebody else has the turn.
        """
        if seconds > HOLD_SECONDS:  # sooner it cannot have ended
            await self._sessions.confirm(claim, LEASE_SECONDS)

    async def _give_back(self, claim: Claim) -> None:
        try:
            await self._sessions.release(claim)
        except StoreUnavailableError as error:
            log.warning("claim_not_released", session=claim.session.id, reason=str(error))
            return
        if claim.session.arm is not None:
            try:
                await self._sessions.post(claim.session.id, IN_VAIN)
            except Exception as error:  # why nothing came of the turn matters more
                log.warning("not_observed", session=claim.session.id, reason=str(error))


class _Hold:
    """Confirms a claim now and then. Most are over before the first time, so until then it is a
    timer and no task."""

    def __init__(self, sessions: SessionStore, claim: Claim) -> None:
        self._sessions = sessions
        self._claim = claim
        self._task: asyncio.Task[None] | None = None
        self._over = False
        self._timer = asyncio.get_running_loop().call_later(HOLD_SECONDS, self._begin)

    def end(self) -> None:
        """Let go."""
        self._over = True  # a client of Redis may swallow the cancellation
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _begin(self) -> None:
        self._task = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        with suppress(TurnLostError):
            while not self._over:
                try:
                    await self._sessions.confirm(self._claim, LEASE_SECONDS)
                except StoreUnavailableError as error:
                    log.warning("claim_not_held", session=self._claim.session.id, reason=str(error))
                await asyncio.sleep(HOLD_SECONDS)
