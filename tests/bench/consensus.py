"""``python -m tests.bench.consensus``: what learned weights are worth, on questions whose truth is
known because they are made up. Prints the tables of docs/benchmarks.md; no cluster, one core.

Five voters answer questions with two options. Their errors come from a one-factor Gaussian copula:
voter i errs when sqrt(rho) F + sqrt(1 - rho) E_i falls below its threshold, with F common to all.
"""

import math
import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from runtime.consensus import Ballot, Rules, is_settled, settle
from runtime.consensus.completion import runs_to_completion
from runtime.consensus.correlation import effective_voters, error_correlations
from runtime.consensus.evidence import Evidence, Heard
from runtime.consensus.weights import learned_weights

ACCURACIES = {"ada": 0.86, "bo": 0.84, "cyd": 0.82, "dee": 0.80, "eve": 0.78}
#: As somebody would write them who knows who is good, and not by how much.
DECLARED = {"ada": 4, "bo": 4, "cyd": 2, "dee": 2, "eve": 2}
CORRELATIONS = (0.0, 0.3, 0.5, 0.7)
TASK, TODAY = "gate", 20_000
TRUTH = "open"
#: Complete decisions with an outcome that weights are learned from, and fresh questions after.
LEARNED, ASKED, STREAMS = 2000, 50_000, 20
EARLY_EXITS = 100_000
#: Median and spread (sigma of the logarithm) of the time to an answer, in seconds: members on
#: different providers and model sizes.
LATENCIES = ((0.6, 0.35), (0.8, 0.35), (1.0, 0.4), (1.4, 0.4), (2.2, 0.5))
TIMED = 20_000

Errors = npt.NDArray[np.bool_]


def errors(rho: float, questions: int, rng: np.random.Generator) -> Errors:
    """Who errs on which question: a row a question, a column a voter."""
    thresholds = [NormalDist().inv_cdf(1 - right) for right in ACCURACIES.values()]
    factor = rng.standard_normal((questions, 1))
    own = rng.standard_normal((questions, len(thresholds)))
    wrong: Errors = math.sqrt(rho) * factor + math.sqrt(1 - rho) * own < np.array(thresholds)
    return wrong


def learn(wrong: Errors) -> Evidence:
    """What these questions teach once their outcomes are known."""
    evidence = Evidence()
    for row in wrong.tolist():
        answers = dict(zip(ACCURACIES, ("shut" if err else TRUTH for err in row), strict=True))
        heard = Heard(TASK, TODAY, 2, answers, decision=None)
        evidence.learn(heard, TRUTH)
    return evidence


def accuracy(weights: Mapping[str, int], wrong: Errors) -> float:
    """Share of the questions that a vote with these weights gets right, ties as `settle` has them:
    for whom stands first."""
    say = np.array([weights[name] for name in ACCURACIES])
    margin = np.where(wrong, -say, say).sum(axis=1)
    first = int(np.flatnonzero(say)[0])
    return float(np.mean((margin > 0) | ((margin == 0) & ~wrong[:, first])))


@dataclass(frozen=True, slots=True)
class Spread:
    """A mean over training streams and its 95 % interval."""

    mean: float
    half: float

    def __str__(self) -> str:
        return f"{100 * self.mean:.2f} ± {100 * self.half:.2f}"


def spread(values: Sequence[float]) -> Spread:
    """Student's t over streams, which differ in what was learned and in what was asked."""
    t95 = 2.093 if len(values) == 20 else 2.3
    return Spread(statistics.fmean(values), t95 * statistics.stdev(values) / math.sqrt(len(values)))


@dataclass(frozen=True, slots=True)
class Comparison:
    """What each rule gets right at one correlation, in every stream."""

    rho: float
    log_odds: list[float]
    declared: list[float]
    majority: list[float]
    best: list[float]
    voters: float


def compare(
    rho: float, *, learned: int = LEARNED, asked: int = ASKED, streams: int = STREAMS
) -> Comparison:
    """Learn and ask, so many times."""
    found = Comparison(rho, [], [], [], [], 0.0)
    alone = {name: int(name == "ada") for name in ACCURACIES}
    voters = []
    for stream in range(streams):
        rng = np.random.default_rng([stream, round(100 * rho)])
        evidence = learn(errors(rho, learned, rng))
        weights = learned_weights(evidence, TASK, 2, DECLARED, TODAY)
        together = error_correlations(ACCURACIES, evidence.of(TASK, TODAY), [])
        voters.append(effective_voters(dict.fromkeys(ACCURACIES, 1), together))
        fresh = errors(rho, asked, rng)
        found.log_odds.append(accuracy(weights, fresh))
        found.declared.append(accuracy(DECLARED, fresh))
        found.majority.append(accuracy(dict.fromkeys(ACCURACIES, 1), fresh))
        found.best.append(accuracy(alone, fresh))
    return replace(found, voters=statistics.fmean(voters))


def less(one: Sequence[float], other: Sequence[float]) -> list[float]:
    """Differences stream by stream."""
    return [a - b for a, b in zip(one, other, strict=True)]


def main() -> None:
    """Print the tables."""
    for rho in CORRELATIONS:
        c = compare(rho)
        print(
            rho,
            spread(c.log_odds),
            spread(c.declared),
            spread(c.majority),
            spread(c.best),
            f"{c.voters:.2f}",
            "gain",
            spread(less(c.log_odds, c.best)),
            "vs decl",
            spread(less(c.log_odds, c.declared)),
            "vs maj",
            spread(less(c.log_odds, c.majority)),
            "worst",
            min(less(c.log_odds, c.best)),
        )


if __name__ == "__main__":
    main()
