"""``python -m tests.bench.consensus``: what learned weights are worth, on questions whose truth is
known because they are made up. Prints the tables of docs/benchmarks.md; no cluster, one core.

Five voters answer questions with two options. Their errors come from a one-factor Gaussian copula:
voter i errs when sqrt(rho) F + sqrt(1 - rho) E_i falls below its threshold, with F common to all.
"""

import math
import random
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from runtime.consensus import Ballot, Method, Rules, is_settled, settle
from runtime.consensus.clusters import leaders
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
_T95 = 2.093  # of 20 streams
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


def ceiling(rho: float) -> float:
    """What no rule can beat that sees the answers only: of each pattern of answers and its mirror
    the likelier one is taken. Integrated over the common factor by Gauss and Hermite."""
    points, masses = np.polynomial.hermite_e.hermegauss(80)
    masses = masses / masses.sum()
    normal = NormalDist()
    wrong = np.array(
        [
            [
                normal.cdf(
                    (normal.inv_cdf(1 - right) - math.sqrt(rho) * point) / math.sqrt(1 - rho)
                )
                for right in ACCURACIES.values()
            ]
            for point in points
        ]
    )
    patterns = np.array(np.meshgrid(*[[0, 1]] * len(ACCURACIES), indexing="ij")).reshape(5, -1).T
    likely = np.array(
        [float(masses @ np.prod(np.where(row, wrong, 1 - wrong), axis=1)) for row in patterns]
    )
    return float(np.maximum(likely, likely[::-1]).sum() / 2)


@dataclass(frozen=True, slots=True)
class Case:
    """Answers in the order in which they come."""

    rules: Rules
    weights: list[int]
    answers: list[str | None]
    order: list[int]
    #: Of free texts that are compared.
    similarity: list[list[float]] | None = None

    def after(self, arrivals: int) -> tuple[list[Ballot], set[str]]:
        """The ballots when so many have come, and who is waited for."""
        place = {member: at for at, member in enumerate(self.order, start=1)}
        ballots = [
            Ballot(f"m{member}", weight, answer, place[member])
            if place[member] <= arrivals
            else Ballot(f"m{member}", weight, None)
            for member, (weight, answer) in enumerate(zip(self.weights, self.answers, strict=True))
        ]
        if self.similarity is not None and self.rules.compares_texts:
            ballots = [
                replace(ballot, answer=leader)
                for ballot, leader in zip(ballots, leaders(ballots, self.similarity), strict=True)
            ]
        return ballots, {f"m{member}" for member in self.order[arrivals:]}

    def stops_after(self) -> int:
        """How many answers an early exit waits for."""
        came = 0
        while not is_settled(*self.after(came), self.rules):
            came += 1
        return came

    def result(self, arrivals: int) -> tuple[str, str | None]:
        """Outcome and answer of those who have come."""
        verdict = settle(self.after(arrivals)[0], self.rules)
        return verdict.outcome, verdict.answer


def cases(number: int, seed: int) -> Iterator[Case]:
    """Random polls: any number of members, weights declared or learned, options or prose, silent
    members, every method, every order."""
    rng = random.Random(seed)
    methods: tuple[Method, ...] = ("WeightedVote", "LogOdds", "First", "Judge", "Fuse")
    for _ in range(number):
        members = rng.randint(1, 16)
        method = rng.choice(methods)
        choices = rng.choice([None, 2, 2, 3, 5, 20])
        most = 4000 if method == "LogOdds" else rng.choice([1, 4, 1000])
        compared = choices is None and rng.random() < 0.5
        silent = rng.choice([0.0, 0.1, 0.5])
        favour = rng.random()
        yield Case(
            Rules(
                minimum_votes=rng.randint(1, members),
                when_no_quorum=rng.choice(["BestMember", "Fallback"]),
                choices=choices,
                method=method,
                minimum_confidence_percent=rng.choice([0, 0, 0, 30, 50, 80]),
                prose="Cluster" if compared else "Heaviest",
            ),
            [rng.randint(0, most) for _ in range(members)],
            [
                None
                if rng.random() < silent
                else "0"
                if rng.random() < favour
                else str(rng.randrange(choices or 20))
                for _ in range(members)
            ],
            rng.sample(range(members), members),
            _similarity(members, rng) if compared else None,
        )


def _similarity(members: int, rng: random.Random) -> list[list[float]]:
    """Any texts may be alike: nothing is taken from geometry."""
    often = rng.random()
    matrix = [[1.0] * members for _ in range(members)]
    for one in range(members):
        for other in range(one):
            matrix[one][other] = matrix[other][one] = float(rng.random() < often)
    return matrix


def early_exits(number: int, seed: int = 4) -> tuple[int, float]:
    """In how many random polls early exit equals the full vote, and what share of the answers was
    not waited for."""
    equal = saved = asked = 0
    for case in cases(number, seed):
        came, everyone = case.stops_after(), len(case.order)
        equal += case.result(came) == case.result(everyone)
        saved += everyone - came
        asked += everyone
    return equal, saved / asked


@dataclass(frozen=True, slots=True)
class Waits:
    """Times to a decision, in seconds."""

    settled: list[float]
    #: With the decisions that are drawn to run to completion.
    drawn: list[float]
    slowest: list[float]


def waits(rho: float, number: int, seed: int = 4) -> Waits:
    """How long decisions take when they stop as soon as they are settled."""
    rng = np.random.default_rng([seed, round(100 * rho)])
    evidence = learn(errors(rho, LEARNED, rng))
    weights = list(learned_weights(evidence, TASK, 2, DECLARED, TODAY).values())
    medians = np.log([median for median, _ in LATENCIES])
    spreads = np.array([sigma for _, sigma in LATENCIES])
    times = np.exp(medians + spreads * rng.standard_normal((number, len(LATENCIES))))
    rules = Rules(minimum_votes=3, when_no_quorum="BestMember", choices=2, method="LogOdds")
    found = Waits([], [], [])
    for at, (wrong, took) in enumerate(
        zip(errors(rho, number, rng).tolist(), times.tolist(), strict=True)
    ):
        order = sorted(range(len(took)), key=took.__getitem__)
        case = Case(rules, weights, ["shut" if err else TRUTH for err in wrong], order)
        settled, everyone = took[order[case.stops_after() - 1]], max(took)
        found.settled.append(settled)
        found.drawn.append(everyone if runs_to_completion(f"decision {at}") else settled)
        found.slowest.append(took[-1])
    return found


def p95(values: Sequence[float]) -> float:
    """The 95th percentile."""
    return statistics.quantiles(values, n=20)[-1]


def main() -> None:
    """Print the tables."""
    print(f"Five voters, accuracies {', '.join(f'{p:.2f}' for p in ACCURACIES.values())}; declared")
    print(f"weights {', '.join(map(str, DECLARED.values()))}. {STREAMS} streams, in each {LEARNED}")
    print(f"outcomes to learn from and {ASKED} fresh questions. Percent right, 95 % interval.\n")
    print("| correlation | log-odds | declared | majority | best member | no rule can beat |")
    print("|---|---|---|---|---|---|")
    found = [compare(rho) for rho in CORRELATIONS]
    for each in found:
        print(
            f"| {each.rho} | {spread(each.log_odds)} | {spread(each.declared)} | "
            f"{spread(each.majority)} | {spread(each.best)} | {100 * ceiling(each.rho):.2f} |"
        )
    print("\nLog-odds less the other, in points, on the same questions.\n")
    print(
        "| correlation | effective voters | declared | majority | best member | worst stream "
        "against the best member |"
    )
    print("|---|---|---|---|---|---|")
    for each in found:
        declared, majority, best = (
            less(each.log_odds, other) for other in (each.declared, each.majority, each.best)
        )
        print(
            f"| {each.rho} | {each.voters:.2f} | {spread(declared)} | {spread(majority)} | "
            f"{spread(best)} | {100 * min(best):+.2f} |"
        )
    equal, saved = early_exits(EARLY_EXITS)
    print(f"\nEarly exit equals the full vote: {equal} of {EARLY_EXITS} random polls;", end=" ")
    print(f"{100 * saved:.0f} % of the answers were not waited for.\n")
    print("| correlation | p95 settled | with 1 in 20 complete | slowest member | share |")
    print("|---|---|---|---|---|")
    for rho in CORRELATIONS:
        took = waits(rho, TIMED)
        settled, drawn, slowest = p95(took.settled), p95(took.drawn), p95(took.slowest)
        print(
            f"| {rho} | {settled:.2f} s | {drawn:.2f} s | {slowest:.2f} s | "
            f"{100 * settled / slowest:.0f} %, {100 * drawn / slowest:.0f} % |"
        )


if __name__ == "__main__":
    main()
