"""A process that tells turns in an embedded store until it is killed.

``python -m tests.processes.sessions.telling FOLDER`` says session, key and decision of each turn
once it was acknowledged.
"""

import asyncio
import sys
from pathlib import Path

from runtime.audit import DecisionLog
from runtime.sessions import Claim
from runtime.sessions.sqlite import SqliteSessions
from tests.unit.runtime.sessions.records import of

SESSIONS = 5


async def tell(folder: Path) -> None:
    """Tell turns for ever, a few sessions at a time."""
    log = DecisionLog(folder / "decisions")
    store = SqliteSessions(folder / "sessions.db", lambda: 3600.0)
    await store.catch_up(log)

    async def story() -> None:
        session = (await store.create(None, None)).id
        while True:
            claim = await store.begin(session, None, 6)
            assert isinstance(claim, Claim)
            key = f"turn-{claim.number}"
            record = await log.append(of(claim, key=key))
            await store.finish(claim, record)
            print(session, key, record.id, flush=True)

    await asyncio.gather(*(story() for _ in range(SESSIONS)))


if __name__ == "__main__":
    asyncio.run(tell(Path(sys.argv[1])))
