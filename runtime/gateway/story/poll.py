"""Asking every member at once, and no longer than the vote is open."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from crds.routes import Route
from runtime.audit import Candidate, TokenCount
from runtime.audit.replay import ballots_of
from runtime.consensus import Rules, is_settled
from runtime.engines import Prompt, Reply
from runtime.gateway.members.voices import Seat
from runtime.gateway.story.asking import Asking, milliseconds
from runtime.gateway.story.paying import Payer

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


@dataclass(frozen=True, slots=True)
class Held:
    """Who is waited for also when the vote is settled, so that it is seen what it would have
    said."""

    member: str
    #: No longer than so many seconds from the beginning. None: as long as the vote may take.
    seconds: float | None = None

    def until(self, started: float, closes: float) -> float:
        """When it is let go at the latest."""
        return closes if self.seconds is None else min(closes, started + self.seconds)


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
    payer: Payer,
    *,
    watch: Watch = unwatched,
    complete: bool = False,
    group: Group | None = None,
    held: Held | None = None,
) -> list[Candidate]:
    """One candidate for each ask, in the same order. Stops, and cancels who is left, when nobody
    left could change the result, or with ``complete`` when nobody is left, and with ``held`` no
    sooner than that one has answered; lasts no longer than ``patience`` seconds. ``payer`` pays for
    second requests alone. ``watch`` hears of everyone who answers, fails or is out, as it happens;
    not of those who are cancelled."""
    started = time.monotonic()
    candidates: list[Candidate] = []
    tasks: dict[asyncio.Task[None], int] = {}
    askings = [Asking(ask.seat, ask.prompt, payer) for ask in asks]
    for at, (ask, asking) in enumerate(zip(asks, askings, strict=True)):
        reason = ask.withheld or asking.hopeless
        if reason is not None:
            candidates.append(part(ask, "Skipped", error=reason))
            watch(candidates[-1])
            continue
        candidates.append(part(ask, "Cancelled"))
        allowed = min(float(ask.seat.route.timeout_seconds), patience)
        tasks[asyncio.create_task(asking.run(allowed))] = at
    waiting = set(tasks)
    arrived = 0
    late = False
    try:
        while waiting:
            names = {asks[tasks[task]].seat.route.member for task in waiting}
            closes = ends = started + patience + _LEAVE_SECONDS
            if not complete and is_settled(ballots_of(candidates), names, rules):
                if held is None or held.member not in names:
                    break
                closes = held.until(started, ends)
            left = closes - time.monotonic()
            done, waiting = await asyncio.wait(
                waiting, timeout=max(0.0, left), return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                late = closes == ends
                break
            for task in sorted(done, key=tasks.__getitem__):
                task.result()
                candidate = candidate_of(asks[tasks[task]], askings[tasks[task]])
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
    for task in waiting:
        at = tasks[task]
        candidates[at] = part(
            asks[at],
            "Failed" if late else "Cancelled",
            error=_TOO_LATE if late else None,
            latency_ms=milliseconds(started),
            tries=askings[at].tries,
        )
        if late:
            watch(candidates[at])
    if waiting:
        await asyncio.wait(waiting, timeout=_LEAVE_SECONDS)
    return candidates


def candidate_of(ask: Ask, asking: Asking) -> Candidate:
    """A member's part as it is now: what became of asking it."""
    found = asking.outcome
    reply = found.reply
    return part(
        replace(ask, seat=found.seat),
        found.state,
        answer=found.answer,
        error=found.error,
        latency_ms=milliseconds(asking.attempts[0].began),
        tokens=tokens_of(reply) if reply else None,
        cost_usd=found.cost_usd,
        certainty=round(reply.certainty, 4) if reply and reply.certainty is not None else None,
        tries=asking.tries,
    )


def tokens_of(reply: Reply) -> TokenCount:
    """What the engine counted, for the record."""
    return TokenCount(prompt=reply.usage.prompt, completion=reply.usage.completion)


def part(ask: Ask, state: str, **known: object) -> Candidate:
    """A member's part in this state."""
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
            "sampling": ask.prompt.sampling,
            "prompt_digest": ask.digest,
            **known,
        }
    )
