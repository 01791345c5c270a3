"""Asking every member at once, and no longer than the vote is open."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from crds.routes import Route
from runtime.audit import Candidate, TokenCount
from runtime.audit.replay import ballots_of
from runtime.consensus import Rules, is_settled
from runtime.engines import EngineError, Prompt, Reply
from runtime.gateway.members.voices import Seat

#: A cancelled question ends at once; this bounds one that does not.
_LEAVE_SECONDS = 0.25


#: What a member says of itself when its time is over, where it could not say so itself in time.
_TOO_LATE = "Timeout: no whole answer within the time it had"


@dataclass(frozen=True, slots=True)
class Ask:
    """A seat, what its vote counts, and what to ask it."""

    seat: Seat
    weight: int
    prompt: Prompt
    digest: str
    #: Why it is not to be asked, if so.
    withheld: str | None = None


#: Finds out which texts mean the same, in so many seconds at most.
Group = Callable[[Sequence[Candidate], float], Awaitable[list[Candidate]]]


#: Called with each candidate as it becomes known.
Watch = Callable[[Candidate], None]


def unwatched(candidate: Candidate) -> None:
    """Nobody watches."""


async def poll(
    asks: Sequence[Ask],
    rules: Rules,
    patience: float,
    *,
    watch: Watch = unwatched,
    complete: bool = False,
    group: Group | None = None,
) -> list[Candidate]:
    """One candidate for each ask, in the same order. Stops, and cancels who is left, when nobody
    left could change the result, or with ``complete`` when nobody is left; lasts no longer than
    ``patience`` seconds. ``watch`` hears of everyone who answers, fails or is out, as it happens;
    not of those who are cancelled."""
    started = time.monotonic()
    candidates: list[Candidate] = []
    tasks: dict[asyncio.Task[Candidate], int] = {}
    for at, ask in enumerate(asks):
        reason = ask.withheld or ask.seat.member.unavailable()
        if reason is not None:
            candidates.append(_candidate(ask, "Skipped", error=reason))
            watch(candidates[-1])
            continue
        candidates.append(_candidate(ask, "Cancelled"))
        allowed = min(float(ask.seat.route.timeout_seconds), patience)
        tasks[asyncio.create_task(_one(ask, allowed))] = at
    waiting = set(tasks)
    arrived = 0
    late = False
    try:
        while waiting:
            names = {asks[tasks[task]].seat.route.member for task in waiting}
            if not complete and is_settled(ballots_of(candidates), names, rules):
                break
            left = started + patience + _LEAVE_SECONDS - time.monotonic()
            done, waiting = await asyncio.wait(
                waiting, timeout=max(0.0, left), return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                late = True
                break
            for task in sorted(done, key=tasks.__getitem__):
                candidate = task.result()
                if candidate.answer is not None:
                    arrived += 1
                    candidate = candidate.model_copy(update={"arrived": arrived})
                candidates[tasks[task]] = candidate
                watch(candidate)
            if group is not None:
                left = started + patience - time.monotonic()
                candidates = await group(candidates, max(0.0, left))
    finally:
        for task in waiting:
            task.cancel()
    if waiting:
        elapsed = _milliseconds(started)
        for task in waiting:
            at = tasks[task]
            if late:
                candidates[at] = _candidate(asks[at], "Failed", error=_TOO_LATE, latency_ms=elapsed)
                watch(candidates[at])
            else:
                candidates[at] = candidates[at].model_copy(update={"latency_ms": elapsed})
        await asyncio.wait(waiting, timeout=_LEAVE_SECONDS)
    return candidates


async def _one(ask: Ask, patience: float) -> Candidate:
    started = time.monotonic()
    try:
        answer, reply = await ask.seat.member.ask(ask.prompt, patience)
    except EngineError as error:
        return _candidate(ask, "Failed", error=str(error), latency_ms=_milliseconds(started))
    return answered(ask, answer, reply, _milliseconds(started))


def answered(ask: Ask, answer: str, reply: Reply, latency_ms: int) -> Candidate:
    """The part of a member that answered."""
    return _candidate(
        ask,
        "Answered",
        answer=answer,
        latency_ms=latency_ms,
        tokens=tokens_of(reply),
        cost_usd=ask.seat.known.cost_usd(reply.usage),
        certainty=None if reply.certainty is None else round(reply.certainty, 4),
    )


def tokens_of(reply: Reply) -> TokenCount:
    """What the engine counted, for the record."""
    return TokenCount(prompt=reply.usage.prompt, completion=reply.usage.completion)


def _candidate(ask: Ask, state: str, **known: object) -> Candidate:
    route: Route = ask.seat.route
    return Candidate.model_validate(
        {
            "member": route.member,
            "revision": route.revision,
            "engine": route.engine,
            "model": route.model,
            "weight": ask.weight,
            "variant": route.variant if ask.seat.why else None,
            "why": ask.seat.why,
            "state": state,
            "sampling": route.sampling,
            "prompt_digest": ask.digest,
            **known,
        }
    )


def _milliseconds(since: float) -> int:
    return round((time.monotonic() - since) * 1000)
