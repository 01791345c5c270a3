"""Leadership: a coordination.k8s.io Lease with the semantics of client-go, and a fence for writes.

Nobody's clock but our own is believed: another's Lease is over when it has not changed for its
duration since we saw it change. Our own is over by the time of the request that renewed it last.
"""

import asyncio
import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import structlog

from controllers.plan import Object, Ref
from operators import backoff
from operators.errors import AlreadyExistsError, ApiError, ConflictError, NotLeaderError
from operators.kube import Allowance
from operators.metrics import Metrics

log = structlog.get_logger(__name__)

Clock = Callable[[], float]


def boot_clock() -> float:
    """Seconds that also pass while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class LeaseApi(Protocol):
    """What an Elector asks of the API server."""

    async def get(self, ref: Ref) -> Object | None: ...

    async def create(self, obj: Object, *, allowance: Allowance | None = None) -> Object: ...

    async def replace(self, obj: Object, *, allowance: Allowance | None = None) -> Object: ...


@dataclass(frozen=True)
class Terms:
    """Who wants to lead, through which Lease, and the times in seconds."""

    ref: Ref
    identity: str
    duration: float = 15
    renew_deadline: float = 10
    retry_period: float = 2
    #: One write of the leader, one request of the election.
    write_timeout: float = 5


def lease_ref(namespace: str, name: str) -> Ref:
    return Ref("coordination.k8s.io/v1", "Lease", namespace, name)


class Elector:
    """Tries to lead for as long as it runs, and says whether it does.

    Args:
        changed: called with True when leadership is gained and False as soon as it is lost.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        api: LeaseApi,
        terms: Terms,
        metrics: Metrics,
        changed: Callable[[bool], None],
        *,
        clock: Clock = boot_clock,
        rng: backoff.Random = random.random,
    ) -> None:
        self._api = api
        self._terms = terms
        self._metrics = metrics
        self._changed = changed
        self._clock = clock
        self._rng = rng
        self._leading = False
        #: When the request that renewed our Lease last was sent.
        self._renewed = -math.inf
        #: Another's Lease as last seen, and when it was first seen so.
        self._seen: Object | None = None
        self._seen_at = -math.inf
        self._contact = -math.inf
        self._complaint = ""

    @property
    def leading(self) -> bool:
        return self._leading and self._remaining() > 0

    @property
    def silence(self) -> float:
        """Seconds since the API server last answered about the Lease."""
        return self._clock() - self._contact

    def allowance(self) -> float:
        """Seconds that a write which starts now may take, so that it ends within our Lease.

        Raises:
            NotLeaderError: the Lease is not ours, or not for long enough.
        """
        remaining = self._remaining()
        if not self._leading or remaining < self._terms.write_timeout:
            self._metrics.refused.inc()
            raise NotLeaderError(
                f"the Lease {self._terms.ref.namespace}/{self._terms.ref.name} is not held for "
                f"the {self._terms.write_timeout:g} s that a write may take"
            )
        return self._terms.write_timeout

    async def run(self) -> None:
        """Acquire, renew, lose, acquire again; until cancelled."""
        while True:
            pause = await self._turn()
            await asyncio.sleep(pause)

    async def release(self) -> None:
        """Give the Lease back, so that the next one need not wait. Writes must have ended."""
        was_leading = self.leading
        self._lose("stopping")
        if not was_leading:
            return
        try:
            async with asyncio.timeout(self._terms.retry_period):
                live = await self._api.get(self._terms.ref)
                if live and live["spec"].get("holderIdentity") == self._terms.identity:
                    spec = {**live["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
                    await self._api.replace({**live, "spec": spec | {"renewTime": _micro_time()}})
        except (ApiError, TimeoutError) as error:
            log.warning("the Lease was not given back and ends by itself", error=str(error))

    async def _turn(self) -> float:
        """One attempt. Returns the seconds to wait before the next."""
        start = self._clock()
        try:
            async with asyncio.timeout(self._patience()):
                held = await self._attempt()
            self._contact = self._clock()
            self._complaint = ""
        except (ApiError, TimeoutError) as error:
            self._complain(str(error) or "no answer about the Lease in time")
            held = None
        if held:
            self._renewed = start
            self._gain()
        elif self._leading and (held is False or self._overdue()):
            self._lose("another holds the Lease" if held is False else "it could not be renewed")
        return self._pause()

    async def _attempt(self) -> bool | None:
        """True: acquired or renewed by this attempt. False: another's. None: somebody was faster,
        and the next turn shows who."""
        terms = self._terms
        live = await self._api.get(terms.ref)
        if live is None:
            try:
                await self._api.create(self._lease({}, 0))
            except AlreadyExistsError:
                return False
            return True
        spec = live.get("spec") or {}
        if spec != self._seen:
            self._seen, self._seen_at = spec, self._clock()
        holder = spec.get("holderIdentity")
        if holder and holder != terms.identity and self._others_left() > 0:
            return False
        moves = int(spec.get("leaseTransitions") or 0) + (holder != terms.identity)
        try:
            await self._api.replace(self._lease(live, moves))
        except ConflictError:
            return None
        return True

    def _lease(self, live: Object, transitions: int) -> Object:
        terms = self._terms
        spec = live.get("spec") or {}
        now = _micro_time()
        mine = spec.get("holderIdentity") == terms.identity
        return {
            "apiVersion": terms.ref.api_version,
            "kind": terms.ref.kind,
            "metadata": live.get("metadata")
            or {"name": terms.ref.name, "namespace": terms.ref.namespace},
            "spec": {
                "holderIdentity": terms.identity,
                "leaseDurationSeconds": math.ceil(terms.duration),
                "acquireTime": spec["acquireTime"] if mine and "acquireTime" in spec else now,
                "renewTime": now,
                "leaseTransitions": transitions,
            },
        }

    def _remaining(self) -> float:
        return self._renewed + self._terms.duration - self._clock()

    def _others_left(self) -> float:
        """Seconds until the Lease that was last seen is over, if it does not change."""
        duration = (self._seen or {}).get("leaseDurationSeconds") or self._terms.duration
        return self._seen_at + float(duration) - self._clock()

    def _patience(self) -> float:
        """Seconds for one turn: a leader's ends when the renewal is overdue."""
        if not self._leading:
            return self._terms.write_timeout
        left = self._renewed + self._terms.renew_deadline - self._clock()
        return max(0.0, min(self._terms.write_timeout, left))

    def _overdue(self) -> bool:
        return self._clock() - self._renewed >= self._terms.renew_deadline

    def _pause(self) -> float:
        """The retry period, or less where something ends sooner than that."""
        wait = backoff.jittered(self._terms.retry_period, 0.2, self._rng)
        if self._leading:
            deadline = self._renewed + self._terms.renew_deadline - self._clock()
            return max(0.0, min(wait, deadline))
        left = self._others_left() if self._seen else wait
        return min(wait, left + 0.05) if left > 0 else wait

    def _gain(self) -> None:
        if self._leading:
            return
        self._leading = True
        self._metrics.leader.set(1)
        self._metrics.transitions.labels("leader").inc()
        log.info("leading", identity=self._terms.identity)
        self._changed(True)

    def _lose(self, why: str) -> None:
        if not self._leading:
            return
        self._leading = False
        self._metrics.leader.set(0)
        self._metrics.transitions.labels("candidate").inc()
        log.info("no longer leading", identity=self._terms.identity, why=why)
        self._changed(False)

    def _complain(self, text: str) -> None:
        """Say a lasting trouble once."""
        if text != self._complaint:
            log.warning("no progress with the Lease", error=text)
        self._complaint = text


def _micro_time() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
