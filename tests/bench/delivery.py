"""``python -m tests.bench.delivery``: what verdicts are worth, on canaries whose truth is known
because they are made up. Prints the tables of docs/benchmarks.md; no cluster, one core.

Everything goes through the public functions of `controllers.delivery`, many runs at a time. Beside
stand fixed thresholds as the documentation of two canary tools sets them, on the same sessions.
"""

import math
import time
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from controllers.delivery import bounded, drift, harm, ratio
from controllers.delivery.betting import bounds
from controllers.delivery.ebh import discoveries
from controllers.delivery.noninferiority import log_proof, points
from controllers.delivery.plan import DEFAULT_MARGIN, Margin, Metric, Sizes
from controllers.delivery.tally import shares
from controllers.delivery.watch import LEAST, MOST
from crds.observations import JUDGE_PREFERENCE

HARM, PROOF = 0.01, 0.05
STABLE = 0.01

Bits = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Pairs:
    """Whether sessions went wrong: a row a pair, a column a run."""

    canary: Bits
    baseline: Bits


def independent(
    rng: np.random.Generator, pairs: int, runs: int, canary: float, baseline: float
) -> Pairs:
    """Sessions that know nothing of one another."""
    shape = pairs, runs
    return Pairs(rng.random(shape) < canary, rng.random(shape) < baseline)


def outages(rng: np.random.Generator, pairs: int, runs: int, rate: float) -> Pairs:
    """Both arms suffer together: of 1,000 pairs some 20 fall into an outage, with 30 % wrong."""
    starts = rng.random((pairs, runs)) < 0.001
    out = np.zeros((pairs, runs), dtype=bool)
    for later in range(20):
        out[later:] |= starts[: pairs - later]
    rates = np.where(out, 0.3, rate)
    return Pairs(rng.random((pairs, runs)) < rates, rng.random((pairs, runs)) < rates)


def players(rng: np.random.Generator, pairs: int, runs: int, rate: float, *, sticky: bool) -> Pairs:
    """Players with rates of their own (beta with a = 0.1: few fail often, most never), five
    sessions each. ``sticky``: all five in one arm, though a session is what is counted."""
    group = 5

    def rates() -> Floats:
        own = rng.beta(0.1, 0.1 / rate - 0.1, (math.ceil(pairs / group), runs))
        each: Floats = np.repeat(own, group, axis=0)[:pairs]
        return each if sticky else rng.permuted(each, axis=0)

    return Pairs(rng.random((pairs, runs)) < rates(), rng.random((pairs, runs)) < rates())


def beside(columns: list[Bits]) -> Floats:
    """A row a run, a column a metric; 1 is wrong."""
    found: Floats = np.stack(columns, axis=-1).astype(np.float64)
    return found


def harmed_after(seen: Pairs | list[Pairs], alpha: float = HARM) -> Counts:
    """After how many pairs each run is stopped for harm, with a look at every pair; one metric, or
    several of which all are watched."""
    metrics = seen if isinstance(seen, list) else [seen]
    pairs, runs = metrics[0].canary.shape
    process = harm.Harm(*(np.zeros((runs, len(metrics))) for _ in range(4)))
    after = np.full(runs, NEVER)
    for at in range(pairs):
        canary = beside([metric.canary[at] for metric in metrics])
        baseline = beside([metric.baseline[at] for metric in metrics])
        process = harm.observe(process, canary, baseline)
        found = discoveries(process.log_e, alpha).any(axis=-1)
        after[found & (after == NEVER)] = at + 1
    return after


def harmed_in_blocks(
    rng: np.random.Generator, runs: int, blocks: int, canary: float, block: Sizes
) -> Counts:
    """After how many blocks each run is stopped for harm, beside a baseline that fails at 1 %."""
    process = harm.Harm(*(np.zeros(runs) for _ in range(4)))
    after = np.full(runs, NEVER)
    for at in range(blocks):
        wrong = rng.binomial(block[0], canary, runs).astype(np.float64)
        others = rng.binomial(block[1], STABLE, runs).astype(np.float64)
        process = harm.observe(process, wrong, others, block)
        after[(process.log_e >= -math.log(HARM)) & (after == NEVER)] = at + 1
    return after


def proven_after(seen: Pairs, margin: Margin, alpha: float = PROOF) -> Counts:
    """After how many pairs each run is proven, with a look at every pair."""
    metric = Metric("errors", margin)
    support = points(metric, (1, 1))
    pairs, runs = seen.canary.shape
    counts = np.zeros((runs, len(support)))
    after = np.full(runs, NEVER)
    for at in range(pairs):
        excess = seen.canary[at] - metric.factor * seen.baseline[at]
        counts += shares(excess, support)
        found = log_proof(metric, counts) >= -math.log(alpha)
        after[found & (after == NEVER)] = at + 1
    return after


@dataclass(frozen=True, slots=True)
class Shares:
    """What became of runs."""

    rolled_back: float
    promoted: float
    after: float  # pairs to the decision that most came to, median

    @property
    def open(self) -> float:
        """Neither: Inconclusive."""
        return abs(1 - self.rolled_back - self.promoted)


def decided(harmed: Counts, proven: Counts) -> Shares:
    """Harm beats proof, and the first of the two ends a run."""
    back, promoted = (harmed <= proven) & (harmed < NEVER), proven < harmed
    most = np.minimum(harmed, proven)[back if back.mean() > promoted.mean() else promoted]
    after = float(np.median(most)) if len(most) else math.nan
    return Shares(float(back.mean()), float(promoted.mean()), after)


def by_verdict(seen: Pairs, margin: Margin) -> Shares:
    """What `look` would have done at every pair, promoting at the first Proven."""
    return decided(harmed_after(seen), proven_after(seen, margin))


@dataclass(frozen=True, slots=True)
class Thresholds:
    """A canary tool that holds the canary's success rate against a number, interval by interval."""

    name: str
    least: float
    #: So many failed checks roll back, so many passed ones promote; with ``checks`` the run ends
    #: after so many, and what was not rolled back is promoted.
    failures: int
    passes: int | None = None
    checks: int | None = None


#: Background analysis of docs/features/analysis.md: success rate >= 0.95 every 5 minutes,
#: failureLimit 3 (the fourth failure fails the run), while weights go up for 4 times 10 minutes.
ARGO = Thresholds("Argo Rollouts", 0.95, failures=4, checks=8)
#: docs/gitbook/tutorials/istio-progressive-delivery.md: success rate >= 99 every minute, threshold
#: 5, stepWeight 10 to maxWeight 50. Failed checks are never forgotten; only a passed one goes on.
FLAGGER = Thresholds("Flagger", 0.99, failures=5, passes=5)


def by_thresholds(seen: Pairs, tool: Thresholds, sessions: int) -> Shares:
    """What such a tool does with the same canary sessions, so many an interval."""
    most = tool.checks or tool.failures + (tool.passes or 0) - 1
    pairs, runs = seen.canary.shape
    if most * sessions > pairs:
        raise ValueError(f"{tool.name} needs {most * sessions} pairs, and the stream has {pairs}")
    wrong = seen.canary[: most * sessions].reshape(most, sessions, runs).sum(axis=1)
    failed = np.cumsum(1 - wrong / sessions < tool.least - 1e-12, axis=0)
    checked = np.arange(1, most + 1)[:, None]

    def first(reached: Bits) -> Counts:
        return np.where(reached.any(axis=0), (reached.argmax(axis=0) + 1) * sessions, NEVER)

    passed = checked - failed >= tool.passes if tool.passes else checked + 0 * failed >= most
    return decided(first(failed >= tool.failures), first(passed))


def false_discovery(
    rng: np.random.Generator, runs: int, pairs: int, harmful: int, alpha: float
) -> tuple[float, float]:
    """Share of false ones among the metrics found harmful, on average, and the share of the harmful
    that are found: of 20 metrics that fail together at 5 %, ``harmful`` at 15 % in the canary."""
    process = harm.Harm(*(np.zeros((runs, 20)) for _ in range(4)))
    rates = np.where(np.arange(20) < harmful, 0.15, 0.05)
    normal = np.vectorize(NormalDist().inv_cdf)

    def wrong(rate: Floats) -> Floats:
        together = rng.standard_normal((runs, 1)) + rng.standard_normal((runs, 20))
        found: Floats = (together / math.sqrt(2) < normal(rate)).astype(np.float64)
        return found

    false, found = np.zeros(runs), np.zeros(runs)
    stopped = np.zeros(runs, dtype=bool)
    for _ in range(pairs):
        process = harm.observe(process, wrong(rates), wrong(np.full(20, 0.05)))
        now = discoveries(process.log_e, alpha)
        first = now.any(axis=-1) & ~stopped
        false[first] = now[first, harmful:].sum(axis=-1) / now[first].sum(axis=-1)
        found[first] = now[first, :harmful].sum(axis=-1) / max(1, harmful)
        stopped |= first
    return float(false.mean()), float(found.mean())


def promised(seen: Pairs, margin: Margin) -> tuple[Floats, Floats]:
    """Of each run that is proven: what is promised from then on, the baseline's mean and the margin
    on top, and the most that the promotion may have cost."""
    support = points(Metric("errors"), (1, 1))
    promises, costs = [], []
    for run, pairs in enumerate(proven_after(seen, margin).tolist()):
        if pairs >= NEVER:
            continue
        canary = seen.canary[:pairs, run].astype(np.float64)
        baseline = seen.baseline[:pairs, run].astype(np.float64)
        promises.append(baseline.mean() + margin.absolute)
        counts = shares(canary - baseline, support).sum(axis=0)
        costs.append(min(margin.absolute, bounds(counts, support, PROOF)[1]))
    return np.clip(promises, LEAST, MOST), np.array(costs)


def drift_alarms(
    rng: np.random.Generator, runs: int, observations: int, rate: float, reference: float | Floats
) -> Counts:
    """After how many observations each run sounds its first alarm."""
    state = drift.Drift(np.full((runs, len(drift.Drift().logs)), -np.inf))
    reference = np.broadcast_to(reference, runs)[:, None]
    after = np.full(runs, NEVER)
    for at in range(observations):
        state = drift.observe(state, rng.random(runs) < rate, reference)
        after[drift.alarms(state) & (after == NEVER)] = at + 1
    return after


def broken_splits(rng: np.random.Generator, runs: int, sessions: int, share: float) -> Counts:
    """After how many sessions each run calls the split broken that should be half and half."""
    weights = np.array([1.0, 1.0])
    counts, log_e = np.zeros((runs, 2)), np.zeros(runs)
    after = np.full(runs, NEVER)
    for at in range(sessions):
        arm = np.where(rng.random(runs) < share, 0, 1)[:, None]
        increments = ratio.log_increment(counts, weights)
        log_e += np.take_along_axis(increments, arm, axis=-1)[:, 0]
        np.put_along_axis(counts, arm, np.take_along_axis(counts, arm, axis=-1) + 1, axis=-1)
        after[(log_e >= math.log(1000)) & (after == NEVER)] = at + 1
    return after


def slower_after(
    rng: np.random.Generator, runs: int, pairs: int, mean: float, slower: float, spread: float
) -> tuple[Counts, Counts]:
    """After how many pairs a slower canary is stopped, by bets on the difference, and by the
    e-process of binary outcomes with latencies put in; of a range of 1."""
    support = points(Metric("latency", kind="Bounded"), (1, 1), factor=1.0)
    counts = np.zeros((runs, len(support)))
    process = harm.Harm(*(np.zeros(runs) for _ in range(4)))
    after, other = np.full(runs, NEVER), np.full(runs, NEVER)
    for at in range(pairs):
        canary = np.clip(rng.normal(mean + slower, spread, runs), 0, 1)
        baseline = np.clip(rng.normal(mean, spread, runs), 0, 1)
        counts += shares(canary - baseline, support)
        process = harm.observe(process, canary, baseline)
        found = bounded.log_e(counts, support) >= -math.log(HARM)
        after[found & (after == NEVER)] = at + 1
        other[(process.log_e >= -math.log(HARM)) & (other == NEVER)] = at + 1
    return after, other


def preferences(
    rng: np.random.Generator, sessions: int, runs: int, rate: float, pairs: int
) -> Floats:
    """What a judge who prefers the new answer at this rate comes to, over so many questions of each
    session: a row a session, a column a run."""
    return rng.binomial(pairs, rate, (sessions, runs)) / pairs


def preferred_after(seen: Floats, margin: float) -> tuple[Counts, Counts]:
    """After how many sessions in the shadow harm is found, and proof."""
    metric = Metric(JUDGE_PREFERENCE, Margin(margin), "Bounded", "Higher", norm=0.5)
    support = points(metric, (1, 1), factor=1.0)
    counts = np.zeros((seen.shape[1], len(support)))
    harmed, proven = (np.full(seen.shape[1], NEVER) for _ in range(2))
    for at, values in enumerate(seen, 1):
        counts += shares(0.5 - values, support)
        found = bounded.log_e(counts, support) >= -math.log(HARM)
        harmed[found & (harmed == NEVER)] = at
        enough = log_proof(metric, counts) >= -math.log(PROOF)
        proven[enough & (proven == NEVER)] = at
    return harmed, proven


@dataclass(frozen=True, slots=True)
class Crowd:
    """Sessions of one arm, as counters know them: so many begin in a window, each has a rate of
    its own at which its requests fail (beta with a = 0.1), and makes some in each of ``lasts``
    windows, fewer in the first and last. With ``lasts`` 2 a session is watched for a window's time
    from a moment in it."""

    begin: int
    rate: float
    lasts: int = 2
    requests: int = 10

    def shares(self, rng: np.random.Generator, windows: int, runs: int) -> Floats:
        """Of failed requests: a row a window, a column a run."""
        failed, made = (np.zeros((windows + self.lasts, runs)) for _ in range(2))
        for at in range(1 - self.lasts, windows):
            own = rng.beta(0.1, 0.1 / self.rate - 0.1, (runs, self.begin))
            first = rng.random((runs, self.begin))
            for later in range(self.lasts):
                part = (1 - first) if later == 0 else first if later == self.lasts - 1 else 1.0
                asked = rng.poisson(self.requests / max(1, self.lasts - 1) * part, own.shape)
                if 0 <= at + later < windows:
                    made[at + later] += asked.sum(axis=-1)
                    failed[at + later] += rng.binomial(asked, own).sum(axis=-1)
        found: Floats = (failed / np.maximum(made, 1))[:windows]
        return found


def by_windows(canary: Floats, baseline: Floats, high: float, margin: Margin) -> Shares:
    """What `look` would have done at every window, of shares up to ``high``."""
    harmed, proven = windows_until(canary, baseline, high, margin)
    return decided(harmed, proven)


def windows_until(
    canary: Floats, baseline: Floats, high: float, margin: Margin
) -> tuple[Counts, Counts]:
    """After how many windows each run is stopped for harm, and proven."""
    metric = Metric("failed", margin, "Bounded", high=high)
    same, excess = points(metric, (1, 1), factor=1.0), points(metric, (1, 1))
    runs = canary.shape[-1]
    differences, against = np.zeros((runs, len(same))), np.zeros((runs, len(excess)))
    harmed, proven = np.full(runs, NEVER), np.full(runs, NEVER)
    scaled = (np.minimum(canary, high) - np.minimum(baseline, high)) / high
    for at, row in enumerate(scaled):
        differences += shares(row, same)
        against += shares(row, excess)
        found = bounded.log_e(differences, same) >= -math.log(HARM)
        harmed[found & (harmed == NEVER)] = at + 1
        found = log_proof(metric, against) >= -math.log(PROOF)
        proven[found & (proven == NEVER)] = at + 1
    return harmed, proven


def spread_of(after: Counts) -> str:
    """Median and 90th percentile."""
    return " / ".join(f"{np.quantile(after, q, method='higher'):,.0f}" for q in (0.5, 0.9))


def percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def said(shares_: Shares) -> str:
    return f"{percent(shares_.rolled_back)} / {percent(shares_.promoted)} / {percent(shares_.open)}"


def show_harm(rng: np.random.Generator) -> None:
    print("## False rollback: equal arms, 20,000 runs of 1,000 pairs, a look at every pair\n")
    print("| both fail at | rolled back | six metrics |\n|---|---|---|")
    for rate in (0.01, 0.02, 0.1, 0.2, 0.5):
        one = harmed_after(independent(rng, 1000, 20_000, rate, rate))
        six = harmed_after([independent(rng, 1000, 4000, rate, rate) for _ in range(6)])
        print(f"| {percent(rate)} | {share(one)} | {share(six)} (4,000 runs) |", flush=True)
    print("\n## Detection: pairs until harm is found, median / p90, stable at 1 %, 2,000 runs\n")
    print("| canary fails at | one metric | (reference) | six metrics | (reference) |")
    print("|---|---|---|---|---|")
    references = {
        0.10: (800, "120 / 240", "170 / 300"),
        0.05: (2500, "385 / 750", "530 / 940"),
        0.03: (7000, "1,080 / 2,200", "1,570 / 3,080"),
    }
    for rate, (pairs, expected_one, expected_six) in references.items():
        alone = independent(rng, pairs, 2000, rate, STABLE)
        calm = [independent(rng, pairs, 2000, STABLE, STABLE) for _ in range(5)]
        print(
            f"| {percent(rate)} | {spread_of(harmed_after(alone))} | {expected_one} | "
            f"{spread_of(harmed_after([alone, *calm]))} | {expected_six} |",
            flush=True,
        )

    print("\nA canary of 5 % beside the other 95 %, in blocks of 1 and 19: ", end="")
    for rate, blocks in ((0.10, 800), (0.05, 2500), (0.03, 7000)):
        after = harmed_in_blocks(rng, 2000, blocks, rate, (1, 19))
        print(f"{percent(rate)} after {spread_of(after)} blocks; ", end="", flush=True)
    even = harmed_in_blocks(rng, 20_000, 1000, STABLE, (1, 19))
    print(f"falsely within 1,000 blocks {share(even)}")


def share(after: Counts) -> str:
    """How many runs came to it."""
    return percent(float((after < NEVER).mean()))


def show_promotion(rng: np.random.Generator) -> None:
    print("\n## Promotion: rolled back / promoted / inconclusive, 4,000 runs\n")
    print("| sessions | margin, cap | equal arms | pairs, median | two points beyond the margin |")
    print("|---|---|---|---|---|")
    runs = 4000
    for rate, points_, cap in (
        (0.01, 0.02, 2000), (0.01, DEFAULT_MARGIN.absolute, 5000), (0.1, 0.02, 2000),
        (0.2, 0.02, 2000), (0.5, 0.02, 2000), (0.1, 0.05, 2000), (0.2, 0.1, 2000), (0.5, 0.1, 2000),
    ):  # fmt: skip
        margin = Margin(absolute=points_)
        equal = by_verdict(independent(rng, cap, runs, rate, rate), margin)
        worse = by_verdict(independent(rng, cap, runs, rate + points_ + 0.02, rate), margin)
        print(
            f"| independent, {percent(rate)} | {100 * points_:g} points, {cap} | {said(equal)} | "
            f"{equal.after:,.0f} | {said(worse)} |",
            flush=True,
        )
    margin = Margin(absolute=0.02)
    for name, seen in (
        ("outages that both arms share", outages(rng, 2000, runs, STABLE)),
        ("players of five, each session by itself", players(rng, 2000, runs, STABLE, sticky=False)),
        ("players of five, all in one arm", players(rng, 2000, runs, STABLE, sticky=True)),
    ):
        equal = by_verdict(seen, margin)
        print(
            f"| {name}, 1 % | 2 points, 2000 | {said(equal)} | {equal.after:,.0f} | |", flush=True
        )
    print("\nAt the margin itself, where at most 5 % may be promoted: ", end="")
    for rate, points_ in ((0.01, 0.02), (0.01, 0.01), (0.1, 0.05), (0.5, 0.1)):
        at_it = proven_after(independent(rng, 2000, runs, rate + points_, rate), Margin(points_))
        print(f"{percent(rate)} and {100 * points_:g} points {share(at_it)}; ", end="", flush=True)
    print()
    print("\n## A canary that doubles an error of 1 %\n")
    print("| margin | cap | equal arms promoted | doubled: rolled back / promoted / inconclusive |")
    print("|---|---|---|---|")
    for cap in (2000, 5000):
        equal_, doubled = (independent(rng, cap, runs, at, STABLE) for at in (STABLE, 2 * STABLE))
        for points_ in (0.02, 0.01, 0.005):
            margin = Margin(absolute=points_)
            print(
                f"| {100 * points_:g} points | {cap:,} | "
                f"{percent(by_verdict(equal_, margin).promoted)} | "
                f"{said(by_verdict(doubled, margin))} |",
                flush=True,
            )


def show_thresholds(rng: np.random.Generator) -> None:
    print("\n## Beside fixed thresholds, on the same sessions; stable at 1 %, 4,000 runs\n")
    print("Rolled back / promoted / inconclusive; sessions of the canary, median.\n")
    print("| canary fails at | this, margin 2 points | rule | 50 an interval | 200 | 500 |")
    print("|---|---|---|---|---|---|")
    for rate in (0.01, 0.02, 0.03, 0.05, 0.1):
        seen = independent(rng, 4500, 4000, rate, STABLE)
        cut = Pairs(seen.canary[:2000], seen.baseline[:2000])
        ours = by_verdict(cut, Margin(absolute=0.02))
        for tool in (ARGO, FLAGGER):
            theirs = [by_thresholds(seen, tool, sessions) for sessions in (50, 200, 500)]
            print(
                f"| {percent(rate)} | {said(ours)}; {ours.after:,.0f} | {tool.name} | "
                + " | ".join(f"{said(each)}; {each.after:,.0f}" for each in theirs)
                + " |",
                flush=True,
            )
    print("\nEqual arms where more fails anyway: rolled back, at 200 sessions an interval.\n")
    print("| both fail at | this | Argo Rollouts | Flagger |\n|---|---|---|---|")
    for rate in (0.02, 0.05, 0.1):
        seen = independent(rng, 2000, 4000, rate, rate)
        theirs = [by_thresholds(seen, tool, 200) for tool in (ARGO, FLAGGER)]
        kept = float((harmed_after(seen) < NEVER).mean())
        print(
            f"| {percent(rate)} | {percent(kept)} | "
            + " | ".join(percent(each.rolled_back) for each in theirs)
            + " |",
            flush=True,
        )


def show_rest(rng: np.random.Generator) -> None:
    print("\n## Twenty metrics that fail together, 1,000 pairs, 1,000 runs\n")
    print("| harmful | alpha | false discoveries | harmful ones found by then |\n|---|---|---|---|")
    for harmful in (0, 1, 5, 10):
        for alpha in (0.05, 0.01):
            false, found = false_discovery(rng, 1000, 1000, harmful, alpha)
            print(
                f"| {harmful} | {alpha} | {percent(false)} | "
                f"{percent(found) if harmful else '-'} |",
                flush=True,
            )
    print("\n## Drift after promotion, reference 2 %\n")
    print("| it fails at | alarms | observations to the alarm, median / p90 |\n|---|---|---|")
    for rate, runs, observations in ((0.02, 200, 100_000), (0.01, 200, 100_000), (0.04, 500, 8000),
                                     (0.1, 500, 2000)):  # fmt: skip
        after = drift_alarms(rng, runs, observations, rate, 0.02)
        number = int((after < NEVER).sum())
        print(
            f"| {percent(rate)} | {number} in {runs} runs of {observations:,} | "
            f"{spread_of(after) if number > runs / 2 else '-'} |",
            flush=True,
        )
    print("\n## From proof to drift: equal arms, promoted at the first Proven, then watched\n")
    print(
        "| it fails at | margin | may have cost, mean | alarms in 20,000 sessions while nothing "
        "changes | sessions to the alarm at the rate and three margins, median / p90 |"
        "\n|---|---|---|---|---|"
    )
    for rate, points_, cap in ((0.01, 1, 5000), (0.01, 2, 2000), (0.1, 5, 2000), (0.5, 10, 2000)):
        margin = Margin(absolute=points_ / 100)
        promises, costs = promised(independent(rng, cap, 1000, rate, rate), margin)
        calm = drift_alarms(rng, len(promises), 20_000, rate, promises)
        worse = drift_alarms(rng, len(promises), 4000, rate + 3 * margin.absolute, promises)
        print(
            f"| {percent(rate)} | {points_} | {100 * costs.mean():.2f} points | "
            f"{int((calm < NEVER).sum())} of {len(promises)} runs | {spread_of(worse)} |",
            flush=True,
        )
    print("\n## Sample ratio, 25,000 sessions, alpha .001\n")
    print("| split | runs | called broken | after, median / p90 |\n|---|---|---|---|")
    for share_, runs in ((0.5, 10_000), (0.52, 2000), (0.55, 2000)):
        after = broken_splits(rng, runs, 25_000, share_)
        broken = float((after < NEVER).mean())
        print(
            f"| {100 * share_:.0f}:{100 - 100 * share_:.0f} | {runs:,} | {percent(broken)} | "
            f"{spread_of(after) if broken > 0.9 else '-'} |",
            flush=True,
        )
    print("\n## Latency: mean 0.3 of the range; pairs to harm, median / p90, 1,000 runs\n")
    print("| scatter | slower by | bets on the difference | binary e-process |\n|---|---|---|---|")
    for spread, slower in ((0.1, 0.05), (0.1, 0.0), (0.05, 0.05)):
        bets, binary = slower_after(rng, 1000, 3000, 0.3, slower, spread)
        told = (
            f"{spread_of(after)}" if slower else f"{share(after)} falsely"
            for after in (bets, binary)
        )
        print(f"| {spread} | {slower} | {' | '.join(told)} |", flush=True)


def show_preference(rng: np.random.Generator) -> None:
    print("\n## A judge's preference in the shadow, margin 10 points; sessions, median / p90\n")
    print("| new answer preferred | pairs a session | runs | harm | proof |\n|---|---|---|---|---|")
    for rate, pairs, runs, sessions in ((0.5, 1, 10_000, 1000), (0.5, 5, 10_000, 1000),
                                        (0.4, 1, 2000, 1000), (0.4, 5, 2000, 1000),
                                        (0.3, 1, 2000, 500), (0.3, 5, 2000, 500)):  # fmt: skip
        ends = preferred_after(preferences(rng, sessions, runs, rate, pairs), 0.1)
        told = (f"{share(after)}, {spread_of(after)}" if (after < NEVER).mean() > 0.9
                else share(after) for after in ends)  # fmt: skip
        print(f"| {rate} | {pairs} | {runs:,} of {sessions:,} | {' | '.join(told)} |", flush=True)


def show_windows(rng: np.random.Generator) -> None:
    print("\n## Prometheus: one value an arm and window, the share of failed requests; 400 runs\n")
    print(
        "Margin 1 point; up to 10 % counts; stable at 1 %; rolled back / promoted / open in 300.\n"
    )
    print("| sessions an arm and window | equal arms | windows, median | at the margin, promoted | "
          "windows until 10 / 5 / 3 % is found, median / p90 |")  # fmt: skip
    print("|---|---|---|---|---|")
    runs, windows, margin, high = 400, 300, Margin(absolute=0.01), 0.1

    def drawn(rate: float, begin: int, lasts: int) -> Floats:
        return Crowd(begin, rate, lasts).shares(rng, windows, runs)

    for begin, lasts in ((20, 2), (50, 2), (4, 6)):
        stable = drawn(STABLE, begin, lasts)
        equal = by_windows(drawn(STABLE, begin, lasts), stable, high, margin)
        _, at_it = windows_until(drawn(2 * STABLE, begin, lasts), stable, high, margin)
        harm_after = [
            spread_of(windows_until(drawn(rate, begin, lasts), stable, high, margin)[0])
            for rate in (0.1, 0.05, 0.03)
        ]
        long = "" if lasts == 2 else ", which go on for five windows (too short: do not)"
        print(
            f"| {begin}{long} | {said(equal)} | {equal.after:,.0f} | {share(at_it)} | "
            f"{'; '.join(harm_after)} |",
            flush=True,
        )


def main() -> None:
    """Print the tables."""
    began = time.monotonic()
    shows = (
        *(show_harm, show_promotion, show_thresholds, show_rest, show_preference),
        show_windows,
    )
    for seed, show in enumerate(shows):
        show(np.random.default_rng(seed))
        print(f"\n({time.monotonic() - began:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
