"""The members as one: what each is asked and what its vote counts, the poll within the caps, the
ruling on its texts, and what all of it comes to."""

import itertools
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from crds.gateway import DEFAULT_FALLBACK, GatewayConfig
from crds.routes import RouteTable
from runtime.audit.record import Counting, Said
from runtime.audit.replay import count, explained, rules_of
from runtime.consensus import runs_to_completion
from runtime.consensus.evidence import DEFAULT_TASK
from runtime.consensus.learned import Weights
from runtime.engines import Prompt
from runtime.gateway.guards import Guards
from runtime.gateway.members.voices import Seat
from runtime.gateway.story.meaning import Meaning
from runtime.gateway.story.paying import Payer, Tariff, within_caps
from runtime.gateway.story.poll import Ask, Held, Watch, poll, unwatched
from runtime.gateway.story.prompt import Scene
from runtime.gateway.story.recall import Answered
from runtime.gateway.story.ruling import drafting, rule
from runtime.limits.visits import Visit
from runtime.tracing import Trace


@dataclass(frozen=True, slots=True)
class Motion:
    """One question put to the members."""

    config: GatewayConfig
    #: How their answers are counted. None: there are no members yet.
    table: RouteTable | None
    #: What it is about, for whoever rules on the texts.
    scene: Scene
    trace: Trace
    #: Who pays.
    visit: Visit
    task: str | None = None
    watch: Watch = unwatched
    #: Who is waited for though the vote is settled.
    held: Held | None = None

    @property
    def counting(self) -> Counting:
        """How answers are counted."""
        table = self.table
        if table is None:
            return Counting(minimum_votes=1, when_no_quorum="Fallback")
        return _counting(
            method=table.method,
            minimum_votes=table.minimum_votes,
            when_no_quorum=table.when_no_quorum,
            minimum_confidence_percent=table.minimum_confidence_percent,
            prose=table.prose,
        )

    @property
    def judge(self) -> str | None:
        """Who rules on texts, if anyone does."""
        return self.table.judge if self.table else None


class Council:
    """Asks the members and counts.

    Args:
        meaning: tells which texts mean the same.
        learned: what votes count where that is learned.
        guards: who watches over money.
        tariff: what members cost.
        turn: of the fallback lines, with which to begin.
    """

    def __init__(
        self, meaning: Meaning, learned: Weights, guards: Guards, tariff: Tariff, turn: int
    ) -> None:
        self._meaning = meaning
        self._learned = learned
        self._guards = guards
        self._tariff = tariff
        self._turn = itertools.count(turn)
        #: Where the seed of each decision comes from.
        self.draw: Callable[[], str] = lambda: secrets.token_hex(8)

    def payer(self, visit: Visit) -> Payer:
        """Who pays for what a visitor asks."""
        return Payer(self._guards, self._tariff, visit)

    def fallback_line(self, config: GatewayConfig) -> str:
        """The next of the declared lines, in turn."""
        lines = config.fallback_lines or DEFAULT_FALLBACK
        return lines[next(self._turn) % len(lines)]

    def asks(self, motion: Motion, seats: Sequence[Seat], prompts: Sequence[Prompt]) -> list[Ask]:
        """Each seat with its prompt, and what its vote counts, declared or learned. That goes into
        the candidates, so that counting them again needs nothing that is learned later."""
        weights = {seat.route.member: seat.route.weight for seat in seats}
        options = motion.scene.options
        if options is not None and motion.counting.method == "LogOdds":
            task = motion.task or DEFAULT_TASK
            weights = self._learned.weights_for(task, len(options), weights)
        return [
            Ask(seat, weights[seat.route.member], prompt, prompt.digest)
            for seat, prompt in zip(seats, prompts, strict=True)
        ]

    async def answers(self, motion: Motion, asks: Sequence[Ask], patience: float) -> Answered:
        """What the members say, and whoever rules on it, within so many seconds.

        Raises:
            LedgerAwayError: nobody can say whether there is money; nobody was asked.
        """
        rules, seed = rules_of(motion.counting, motion.scene.options), self.draw()
        complete = rules.teaches and runs_to_completion(seed)
        deadline = time.monotonic() + patience
        payer = self.payer(motion.visit)
        ask = partial(
            poll,
            rules=rules,
            patience=drafting(rules, patience),
            payer=payer,
            watch=motion.watch,
            complete=complete,
            group=self._meaning.group if rules.compares_texts else None,
            held=motion.held,
        )
        candidates = await within_caps(payer, asks, patience, ask)
        ruling = await rule(
            payer,
            motion.judge,
            [each.seat for each in asks],
            motion.config,
            motion.scene,
            motion.trace.header,
            candidates,
            rules,
            seed,
            deadline - time.monotonic(),
        )
        return Answered(candidates, ruling, seed, complete)

    def counted(self, motion: Motion, asks: Sequence[Ask], answered: Answered) -> dict[str, Any]:
        """What it comes to: those fields of the record that follow from the answers."""
        counting, options = motion.counting, motion.scene.options
        line = self.fallback_line(motion.config)
        result = count(answered.candidates, counting, options, line, answered.ruling)
        return {
            "ensemble": motion.table.ensemble if motion.table else None,
            "told": told(asks[0].prompt) if asks else None,
            "candidates": explained(answered.candidates, result, rules_of(counting, options)),
            "counting": counting,
            "ruling": answered.ruling,
            "seed": answered.seed,
            "complete": answered.complete,
            "fallback_line": line,
            "result": result,
        }


def told(prompt: Prompt) -> list[Said]:
    """What a member was told beside the system's words."""
    return [Said(role=said.role, content=said.content) for said in prompt.turns]


@lru_cache(maxsize=16)
def _counting(**declared: Any) -> Counting:
    return Counting(**declared)
