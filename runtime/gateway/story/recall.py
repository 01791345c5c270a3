"""Decisions that are given again instead of asking the members once more.

What makes two questions the same: everything that the members would be told, who would be asked, at
which revision and weight, and how their answers would be counted. The scope is all of that but the
question's own words. So whoever is given an answer from here would have asked the very same models
the very same thing, and nothing of one player's story can reach another's.

Only whole votes are kept. What happened because someone was out should not outlive it.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from hashlib import sha256
from types import TracebackType
from typing import TYPE_CHECKING, Self

import structlog
from pydantic import TypeAdapter

from crds.gateway import GatewayConfig
from crds.storyteller import Cache, SemanticCache
from runtime.audit import Candidate, Record, Ruling
from runtime.audit.record import Counting
from runtime.cache import Embed, Flights, Shelf, could_mean_the_same
from runtime.gateway.metrics import Metrics
from runtime.gateway.story.poll import Ask
from runtime.gateway.story.prompt import Scene, build

if TYPE_CHECKING:
    from runtime.cache.nearest import Vector

log = structlog.get_logger(__name__)

#: What one gateway keeps at most. A decision of three members takes some 2 KiB.
MAX_ENTRIES = 4096
MAX_BYTES = 16 * 1024 * 1024
#: Whoever waits for the same question of another waits for half of its time, so that the other half
#: is left to ask.
WAITING_SHARE = 0.5

#: An embedding that takes longer is done without, in seconds. One of a few words takes 5 to 20 ms;
#: the first one, which loads the model, is usually too late.
EMBEDDING_SECONDS = 0.25

#: Stands where the question would: what else is told shows in the prompts.
_BLANK = "?"


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of asking the members: all that is counted."""

    candidates: list[Candidate]
    ruling: Ruling | None
    #: Where what was drawn for it comes from.
    seed: str
    #: Whether every member was waited for.
    complete: bool


_ANSWERED = TypeAdapter(Answered)


@dataclass(frozen=True, slots=True)
class Kept:
    """What the members said to a question that was decided."""

    decision: str
    key: str
    question: str
    session: str
    player: str | None
    #: All that is counted, as JSON: it takes a ninth of the memory that objects do.
    said: bytes

    @property
    def answered(self) -> Answered:
        """What came of asking the members."""
        return _ANSWERED.validate_json(self.said)


@dataclass(frozen=True, slots=True)
class Found:
    """An answer that may be given again. ``similarity``: None, it is to the very same question."""

    kept: Kept
    similarity: float | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """Which answer would do. ``scope``: everything but the question's words, as a digest."""

    scope: str
    exact: str


def key_of(
    config: GatewayConfig,
    scene: Scene,
    asks: Sequence[Ask],
    counting: Counting,
    judge: str | None = None,
) -> Key:
    """The key of a question in its scene, to these members, by this judge where there is one."""
    blank = replace(scene, question=_BLANK)
    scope = _digest(
        # A template may tell something only with some questions.
        config.model_dump(exclude={"generation", "cache", "cohorts", "trials", "tried"}),
        {field.name: getattr(blank, field.name) for field in fields(blank)},
        [
            [
                ask.weight,
                ask.seat.route.dump(),
                build(config, ask.seat.route, blank, None).digest,
            ]
            for ask in asks
        ],
        counting.dump(),
        judge,
    )
    return Key(scope, _digest(scope, scene.question, [ask.digest for ask in asks]))


class Recall:
    """The cache of one gateway.

    Args:
        embed: what makes questions comparable; None: only the very same ones are.
        clock: seconds, never going back.
    """

    def __init__(
        self,
        metrics: Metrics,
        embed: Embed | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.metrics = metrics
        self.embed = embed
        self.clock = clock
        #: What was last said of embeddings that fail; once is enough.
        self._complaint: str | None = None
        self.shelf: Shelf[Kept] = Shelf(
            MAX_ENTRIES, MAX_BYTES, lambda _: metrics.cache_evictions.inc()
        )
        self.flights: Flights[Kept] = Flights()

    def lookup(self) -> "Lookup":
        """For one decision: ``async with recall.lookup() as lookup``."""
        return Lookup(self)

    def keep(self, scope: str, kept: Kept, vector: "Vector | None") -> None:
        """Put what was answered on the shelf."""
        size = len(kept.question) + len(kept.said)
        self.shelf.put(kept.key, kept, size, self.clock(), scope=scope, vector=vector)
        self._measure()

    async def direction(self, question: str) -> "Vector | None":
        """The embedding of a question; None: there is none, for whatever reason."""
        if self.embed is None:
            return None
        try:
            async with asyncio.timeout(EMBEDDING_SECONDS):
                (vector,) = await self.embed([question])
        except Exception as error:  # a model that fails costs the comparison, never the answer
            reason = f"{type(error).__name__}: {error}"[:200]
            if reason != self._complaint:
                self._complaint = reason
                log.warning("not_embedded", reason=reason)
            self.metrics.cache_embedding_failures.inc()
            return None
        from runtime.cache.nearest import unit  # numpy: not for who compares nothing

        return unit(vector)

    def forget(self, belongs: Callable[[Kept], bool]) -> None:
        """Drop what was answered to a session or player that is to be forgotten."""
        self.shelf.forget(belongs)
        self._measure()

    def _measure(self) -> None:
        self.metrics.cache_entries.set(len(self.shelf))
        self.metrics.cache_bytes.set(self.shelf.bytes)


class Lookup:
    """What one decision has to do with the cache: it looks for an answer, and brings its own."""

    def __init__(self, recall: Recall) -> None:
        self._recall = recall
        self._key: Key | None = None
        self._vector: Vector | None = None
        self._leads = False
        self._found: Found | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._land(None)

    async def find(
        self,
        policy: Cache | None,
        question: str,
        key: Callable[[], Key],
        patience: float,
        *,
        fresh: bool = False,
    ) -> Found | None:
        """An answer that may be given again.

        Args:
            policy: what may be kept; None: nothing is looked for, nor kept.
            question: its words.
            key: makes the key, where there is a policy.
            patience: seconds that the decision has.
            fresh: the game wants a new answer. It takes the place of the old one.
        """
        if policy is None:
            return None
        self._key = key()
        if fresh:
            result = "bypassed"
            if policy.semantic is not None:
                self._vector = await self._recall.direction(question)
        else:
            result, self._found = await self._look(policy, question, patience)
        self._recall.metrics.cache_lookups.labels(result).inc()
        return self._found

    def keep(self, record: Record) -> None:
        """Bring the logged decision. One that was given again is not kept a second time: what is
        like what was only alike would drift."""
        if self._key is None:
            return
        if self._found is not None:
            self._land(self._found.kept)
        elif is_whole(record):
            answered = Answered(record.candidates, record.ruling, record.seed, record.complete)
            kept = Kept(
                record.id,
                self._key.exact,
                record.question,
                record.session or "",  # completions look nothing up
                record.player,
                _ANSWERED.dump_json(answered),
            )
            self._recall.keep(self._key.scope, kept, self._vector)
            self._land(kept)

    async def _look(
        self, policy: Cache, question: str, patience: float
    ) -> tuple[str, Found | None]:
        assert self._key is not None  # noqa: S101  (find made it)
        recall, exact = self._recall, self._key.exact
        # The very same question is as alike as can be, so one that may be alike may be the same.
        ttl = max(each.ttl_minutes * 60.0 for each in (policy.exact, policy.semantic) if each)
        kept = recall.shelf.get(exact, recall.clock(), ttl)
        if kept is not None:
            return "exact", Found(kept)
        kept = await recall.flights.wait(exact, patience * WAITING_SHARE)
        if kept is not None:
            return "joined", Found(kept)
        self._leads = recall.flights.lead(exact)
        if policy.semantic is not None:
            self._vector = await recall.direction(question)
            found = self._alike(policy.semantic, question)
            if found is not None:
                return "semantic", found
        return "miss", None

    def _alike(self, policy: SemanticCache, question: str) -> Found | None:
        """The most alike question of this scope, if it may be taken for this one."""
        if self._key is None or self._vector is None:
            return None
        recall = self._recall
        near = recall.shelf.nearest(
            self._key.scope, self._vector, recall.clock(), policy.ttl_minutes * 60.0
        )
        if near:
            recall.metrics.cache_similarity.observe(near[0].similarity)
        for each in near:
            if each.similarity < float(policy.min_similarity):
                break
            if could_mean_the_same(each.value.question, question):
                recall.shelf.use(each.value.key)
                return Found(each.value, round(each.similarity, 4))
        return None

    def _land(self, kept: Kept | None) -> None:
        if self._leads and self._key is not None:
            self._leads = False
            self._recall.flights.land(self._key.exact, kept)


def is_whole(record: Record) -> bool:
    """Whether everyone who counts was there: enough of them answered for a vote, nobody was out or
    stood in for, and the others were not needed."""
    ruled = record.ruling is None or record.ruling.state == "Answered"
    return (
        ruled
        and record.result.outcome in ("Vote", "Judged", "Fused")
        and not any(
            candidate.weight > 0
            and (candidate.state in ("Failed", "Skipped") or candidate.was_stood_in_for)
            for candidate in record.candidates
        )
    )


def _digest(*parts: object) -> str:
    text = json.dumps(parts, default=_plain, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()


def _plain(value: object) -> object:
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no place in a key")
