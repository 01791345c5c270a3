"""The shared store: Redis, so that any replica of the gateway can tell any turn.

A decision is logged first, by whichever gateway made it, and is acknowledged once Redis has taken
its turn. What a killed gateway had logged and Redis not taken is offered again when that gateway
returns, and takes its place only if nobody else has told that turn meanwhile.

Keys are ``fabula:{namespace/storyteller}:...``. The braces keep all keys of a Storyteller in one
slot of a Redis Cluster, where scripts may touch several.
"""

import asyncio
import json
import random
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any

import structlog
from redis.exceptions import RedisClusterException, RedisError

from runtime.audit import DecisionLog, Record
from runtime.sessions import encoding, lua, moving
from runtime.sessions.hot import HotStore, unavailable
from runtime.sessions.owed import BOUND, Owed
from runtime.sessions.store import (
    FACTS,
    MAX_BY_PLAYER,
    MAX_FACTS,
    PART_SECONDS,
    TAIL,
    TOMBSTONE_SECONDS,
    Allows,
    Assign,
    Claim,
    Context,
    Decided,
    Fact,
    FactsFullError,
    MetricsFullError,
    Session,
    SessionDeletedError,
    StoreUnavailableError,
    Summary,
    Turn,
    TurnLostError,
    TurnUnderWayError,
    UnknownFactError,
    UnknownSessionError,
    begun,
    digest,
    fact_of,
    in_no_arm,
    whatever,
)
from runtime.sessions.tally import MAX_METRICS, Mark, Tally

log = structlog.get_logger(__name__)

#: How long a record lies beside its turn, for retries that reach another replica than the one whose
#: log has it. Later ones ask that replica.
RECORD_SECONDS = 3600.0
#: Records at the end of the log that are offered again at a start: more than can have been made
#: and not taken.
_OFFERED = 2 * BOUND
#: How often the way to Redis is looked at.
CHECK_SECONDS = 3.0


class RedisSessions:
    """See SessionStore. It opens without Redis and is in trouble until there is one.

    Args:
        hot: the way to Redis.
        storyteller: ``namespace/name``, the beginning of every key.
        lifetime: seconds after its last write until a session expires, asked each time.
        embedded: the file of an embedded store, whose sessions move here if there is one.
    """

    def __init__(
        self,
        hot: HotStore,
        storyteller: str,
        lifetime: Callable[[], float],
        embedded: Path | None = None,
    ) -> None:
        self._hot = hot
        self._embedded = embedded
        self._prefix = f"fabula:{{{storyteller}}}:"
        self._lifetime = lifetime
        self._owed = Owed(self._offer, (StoreUnavailableError,))
        self._log: DecisionLog | None = None
        self._trouble: StoreUnavailableError | None = StoreUnavailableError(
            "Unreachable", "Redis has not been asked yet"
        )
        self._looking = asyncio.Lock()
        self._watch = asyncio.create_task(self._keep_watch())

    @property
    def trouble(self) -> StoreUnavailableError | None:
        """See SessionStore."""
        return self._trouble

    async def create(
        self, player: str | None, context: Context | None, assign: Assign = in_no_arm
    ) -> Session:
        """See SessionStore."""
        session = begun(player, context, assign)
        await self._take_over(moving.Whole(session, (), (), self._lifetime()))
        return session

    async def get(self, session: str) -> Session:
        """See SessionStore."""
        with self._words():
            async with self._hot.client.pipeline(transaction=True) as pipe:
                pipe.hgetall(self._key("s", session))
                pipe.exists(self._key("gone", session))
                fields, gone = await pipe.execute()
        if not fields:
            raise SessionDeletedError(session) if gone else UnknownSessionError(session)
        return encoding.session(fields)

    async def by_player(self, player: str, limit: int) -> list[Session]:
        """See SessionStore."""
        with self._words():
            client = self._hot.client
            ids: Any = await client.zrevrange(self._key("p", digest(player)), 0, -1)
            found: list[Session] = []
            for at in range(0, len(ids), MAX_BY_PLAYER):
                async with client.pipeline(transaction=False) as pipe:
                    for each in ids[at : at + MAX_BY_PLAYER]:
                        pipe.hgetall(self._key("s", each))
                    found += [encoding.session(fields) for fields in await pipe.execute() if fields]
                if len(found) >= limit:
                    break
        return found[:limit]

    async def delete(self, session: str) -> None:
        """See SessionStore."""
        said = await self._run(
            lua.DELETE,
            self._keys(session),
            [int(TOMBSTONE_SECONDS * 1000), self._prefix + "r:", self._prefix + "p:"],
        )
        if said == "unknown":
            raise UnknownSessionError(session)

    async def begin(self, session: str, key: str | None, lease: float) -> Claim | Decided:
        """See SessionStore."""
        if self._trouble is not None:
            raise StoreUnavailableError(self._trouble.reason, str(self._trouble))
        self._owed.check()
        if self._owed.of(session):
            await self._owed.settle()
        token = secrets.token_hex(8)
        said = await self._run(
            lua.BEGIN, self._keys(session), [token, encoding.ms(lease), key or "", TAIL]
        )
        match said[0]:
            case "decided":
                return Decided(said[1], await self.record(said[1]))
            case "taken":
                raise TurnUnderWayError(session, float(said[1]) / 1000)
            case "claimed":
                fields = dict(zip(said[1][::2], said[1][1::2], strict=True))
                found = encoding.session(fields)
                turns = tuple(encoding.turn(text) for text in said[2] if text is not None)
                return Claim(found, found.turns + 1, token, turns, tuple(encoding.facts(said[3])))
        raise _missing(said[0], session)

    async def confirm(self, claim: Claim, lease: float) -> None:
        """See SessionStore."""
        key = self._key("s", claim.session.id)
        if not await self._run(lua.CONFIRM, [key], [claim.token, encoding.ms(lease)]):
            raise TurnLostError(claim.session.id)

    async def release(self, claim: Claim) -> None:
        """See SessionStore."""
        await self._run(lua.RELEASE, [self._key("s", claim.session.id)], [claim.token])

    async def finish(self, claim: Claim, record: Record) -> None:
        """See SessionStore. Where Redis does not take the turn it is owed, and not acknowledged."""
        try:
            await self._note(record, claim.token)
        except StoreUnavailableError:
            self._owed.owe(record)
            raise

    async def decisions(self, session: str, limit: int) -> list[str]:
        """See SessionStore."""
        last = (await self.get(session)).turns
        numbers = range(last, max(0, last - limit), -1)
        if not numbers:
            return []
        with self._words():
            found: Any = await self._hot.client.hmget(
                self._key("t", session), [str(each) for each in numbers]
            )
        return [json.loads(text)["id"] for text in found if text is not None]

    async def record(self, decision: str) -> Record | None:
        """See SessionStore."""
        with self._words():
            text: Any = await self._hot.client.get(self._key("r", decision))
        return None if text is None else Record.model_validate_json(text)

    async def summarise(self, session: str, summary: Summary) -> None:
        """See SessionStore."""
        await self._run(lua.SUMMARISE, [self._key("s", session)], [summary.text, summary.through])

    async def facts(self, session: str) -> list[Fact]:
        """See SessionStore."""
        await self.get(session)
        with self._words():
            pinned: Any = await self._hot.client.hvals(self._key("f", session))
        return encoding.facts(pinned)

    async def pin(self, session: str, text: str) -> Fact:
        """See SessionStore."""
        fact = fact_of(text)
        body = json.dumps(encoding.fact_fields(fact), ensure_ascii=False)
        said = await self._run(
            lua.PIN,
            self._keys(session),
            [
                fact.id,
                body,
                MAX_FACTS,
                FACTS,
                len(text),
                self._lifetime_ms,
                self._prefix + "p:",
            ],
        )
        if said == "full":
            raise FactsFullError(session)
        if said != "pinned":
            raise _missing(said, session)
        return fact

    async def unpin(self, session: str, fact: str) -> None:
        """See SessionStore."""
        await self.get(session)
        with self._words():
            if not await self._hot.client.hdel(self._key("f", session), fact):
                raise UnknownFactError(fact)

    async def post(self, session: str, metrics: Mapping[str, float]) -> None:
        """See SessionStore."""
        said = await self._run(
            lua.POST, self._keys(session), [encoding.metrics_text(metrics), MAX_METRICS]
        )
        if said == "full":
            raise MetricsFullError(session)
        if said != "posted":
            raise _missing(said, session)

    async def tally(self, session: str) -> Tally:
        """See SessionStore."""
        await self.get(session)
        with self._words():
            async with self._hot.client.pipeline(transaction=True) as pipe:
                pipe.hvals(self._key("t", session))
                pipe.hget(self._key("s", session), "metrics")
                turns, metrics = await pipe.execute()
        return encoding.tally(turns, metrics)

    async def enrol(self, player: str, rollout: str, session: str) -> bool:
        """See SessionStore."""
        key = self._key("e", digest(player))
        with self._words():
            async with self._hot.client.pipeline(transaction=True) as pipe:
                pipe.hsetnx(key, rollout, session)
                pipe.hget(key, rollout)
                pipe.expire(key, int(PART_SECONDS))
                _, first, _ = await pipe.execute()
        return bool(first == session)

    async def forget_parts(self, player: str) -> None:
        """See SessionStore."""
        with self._words():
            await self._hot.client.delete(self._key("e", digest(player)))

    async def sweep(self, allows: Allows = whatever) -> int:
        """See SessionStore. Redis expires keys by itself, by its own clock."""
        return 0

    async def catch_up(self, log: DecisionLog) -> int:
        """See SessionStore. Now if Redis answers, else as soon as it does; until then the store is
        in trouble, so that no turn is told twice."""
        self._log = log
        await self._look()
        return min(len(log), _OFFERED) if self._trouble is None else 0

    async def close(self) -> None:
        """See SessionStore."""
        self._watch.cancel()
        await asyncio.gather(self._watch, return_exceptions=True)
        await self._owed.close()

    async def _keep_watch(self) -> None:
        while True:
            await asyncio.sleep(CHECK_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311  (jitter)
            await self._look()

    async def _look(self) -> None:
        async with self._looking:
            before = self._trouble
            self._trouble = await self._find_trouble(before is None)
        if self._trouble is None:
            if before is not None:
                log.info("store_answers")
        elif before is None or str(before) != str(self._trouble):
            log.warning("store_out", reason=str(self._trouble))

    async def _find_trouble(self, was_well: bool) -> StoreUnavailableError | None:
        try:
            await self._hot.refresh()
            with self._words():
                await self._hot.client.ping()
            if self._log is None:
                return StoreUnavailableError("Unreachable", "the gateway is starting")
            if not was_well:
                await self._adopt(self._log)
                await self._offer_again(self._log)
        except StoreUnavailableError as error:
            return error
        except Exception as error:  # of the volume; the next look tries again
            log.exception("not_caught_up")
            return StoreUnavailableError(
                "Unreachable", f"what is on the volume cannot be read ({type(error).__name__})"
            )
        return None

    async def _adopt(self, decisions: DecisionLog) -> None:
        """Take over the sessions of the embedded store; those that are here already stay."""
        path = self._embedded
        if path is None or not await asyncio.to_thread(path.exists):
            return
        adopted = 0
        found = moving.wholes(path, decisions, self._lifetime, time.time)
        async with aclosing(found) as wholes:
            async for whole in wholes:
                adopted += await self._take_over(whole)
        await asyncio.to_thread(moving.remove, path)
        log.info("sessions_moved", sessions=adopted)

    async def _take_over(self, whole: moving.Whole) -> int:
        session = whole.session
        for rollout in whole.parts:
            await self.enrol(session.player or "", rollout, session.id)
        player = "" if session.player is None else str(encoding.seconds(session.created))
        return int(
            await self._run(
                lua.ADOPT,
                [
                    *self._keys(session.id),
                    self._key("p", digest(session.player or "")),
                ],
                [
                    *encoding.hashes(whole),
                    encoding.ms(whole.left),
                    session.id,
                    player,
                    self._prefix + "s:",
                ],
            )
        )

    async def _offer_again(self, decisions: DecisionLog) -> None:
        """Offer the end of the log, which Redis may not have taken or may have lost."""
        numbers = range(max(0, len(decisions) - _OFFERED), len(decisions))
        records = await asyncio.to_thread(decisions.readable, numbers)
        for record in records:
            if record.place is not None:
                await self._taken(record)

    async def _offer(self, records: Sequence[Record]) -> list[Exception | None]:
        return [await self._taken(record) for record in records]

    async def _taken(self, record: Record) -> Exception | None:
        try:
            await self._note(record, "")
        except (TurnLostError, UnknownSessionError, SessionDeletedError) as fault:
            return fault
        return None

    async def _note(self, record: Record, token: str) -> None:
        place, session = record.place, record.session
        if place is None or session is None:
            raise ValueError(f"decision {record.id} has no place in its session")
        turn = Turn(place.turn, record.question, record.result.decision)
        mark = Mark.of(record)
        said = await self._run(
            lua.NOTE,
            [*self._keys(session), self._key("r", record.id)],
            [
                token,
                place.turn,
                record.id,
                record.idempotency_key or "",
                encoding.turn_text(turn, record.id, mark.text if mark else None),
                place.chapter,
                place.first_turn,
                place.cast or "",
                self._lifetime_ms,
                record.model_dump_json(by_alias=True, exclude_none=True),
                int(min(RECORD_SECONDS, self._lifetime()) * 1000),
                self._prefix + "p:",
            ],
        )
        if said == "lost":
            raise TurnLostError(session)
        if said != "noted":
            raise _missing(said, session)

    async def _run(self, script: str, keys: Sequence[str], values: Sequence[str | int]) -> Any:
        with self._words():
            return await self._hot.client.register_script(script)(keys=keys, args=values)

    @contextmanager
    def _words(self) -> Iterator[None]:
        try:
            yield
        except (RedisError, RedisClusterException, OSError) as error:
            raise unavailable(error) from None

    @property
    def _lifetime_ms(self) -> int:
        return encoding.ms(self._lifetime())

    def _key(self, kind: str, name: str) -> str:
        return f"{self._prefix}{kind}:{name}"

    def _keys(self, session: str) -> list[str]:
        return [self._key(kind, session) for kind in ("s", "t", "k", "f", "gone")]


def _missing(said: str, session: str) -> Exception:
    return SessionDeletedError(session) if said == "deleted" else UnknownSessionError(session)
