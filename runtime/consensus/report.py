"""What outcomes say of an ensemble: is it worth its price?

Pure functions of the evidence. Every number comes with how many decisions it rests on, and is
absent below MINIMUM of them: what is not known is not shown.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist, fmean
from typing import Literal

from runtime.consensus.correlation import effective_voters, error_correlations, phi
from runtime.consensus.evidence import DEFAULT_TASK, Counts, Evidence, pairs
from runtime.consensus.skill import marks

#: Decisions (with an outcome, where one is needed) below which a figure is unknown.
MINIMUM = 100
#: An ensemble that is better by less than this share of all decisions is not worth asking.
WORTH = 0.01
#: Two-sided coverage of the intervals. They hold for one look; a figure that is watched until it
#: pleases needs more than that.
COVERAGE = 0.95
_Z = NormalDist().inv_cdf(0.5 + COVERAGE / 2)

Worth = Literal["Helps", "DoesNotHelp", "Unknown"]


@dataclass(frozen=True, slots=True)
class Share:
    """A share or a difference of shares, with its interval and what it rests on."""

    value: float
    low: float
    high: float
    #: Decisions, weighted by age.
    decisions: float


@dataclass(frozen=True, slots=True)
class MemberFigures:
    """What is known of one member."""

    name: str
    #: How often it is right when it answers.
    accuracy: Share | None
    #: How often it would have been right alone: silence is not right.
    alone: Share | None
    #: How much better the ensemble is than it alone.
    gain: Share | None
    #: Mean distance of what it claims to know from what it knows, for members that say how sure
    #: they are: the expected calibration error over ten bins (Naeini et al. 2015).
    calibration_error: float | None


@dataclass(frozen=True, slots=True)
class PairFigures:
    """What is known of two members."""

    members: tuple[str, str]
    #: How often they say the same when both answer.
    agreement: float | None
    #: Correlation of their errors, as counted.
    error_correlation: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """What is known of an ensemble on one task."""

    task: str
    #: Complete decisions with an outcome, weighted by age.
    outcomes: float
    members: tuple[MemberFigures, ...]
    pairs: tuple[PairFigures, ...]
    #: Mean over pairs.
    agreement: float | None
    error_correlation: float | None
    #: How many independent voters the members are worth with the weights that count now.
    effective_voters: float | None
    ensemble: Share | None
    #: The member that would have been right most often alone.
    best: str | None
    worth: Worth
    #: The verdict in one sentence.
    message: str


def report(evidence: Evidence, task: str, weights: Mapping[str, int], today: int) -> Report:
    """What the evidence says.

    Args:
        weights: every member with the weight that counts now, in the order of the route table.
        today: in days since 1970-01-01.
    """
    counts = evidence.of(task, today)
    held, failed = counts.get("held", 0.0), counts.get("failed", 0.0)
    outcomes = _outcomes(counts)
    members = tuple(_member(name, counts, held, failed) for name in weights)
    couples = tuple(_pair(pair, counts) for pair in pairs(weights))
    ranked = [member for member in members if member.alone is not None]
    best = max(ranked, key=_alone) if ranked else None
    worth, message = _worth(members, best, outcomes)
    correlations = error_correlations(weights, counts, evidence.beside(task, today))
    known = [each.error_correlation for each in couples if each.error_correlation is not None]
    agreed = [each.agreement for each in couples if each.agreement is not None]
    return Report(
        task=task,
        outcomes=outcomes,
        members=members,
        pairs=couples,
        agreement=fmean(agreed) if agreed else None,
        error_correlation=fmean(known) if known else None,
        effective_voters=effective_voters(weights, correlations) if known else None,
        ensemble=_share(held, failed),
        best=best.name if best else None,
        worth=worth,
        message=message,
    )


def busiest(evidence: Evidence, today: int) -> str:
    """The task with the most outcomes, or the most complete decisions where there are none."""

    def rank(task: str) -> tuple[float, float]:
        counts = evidence.of(task, today)
        return _outcomes(counts), sum(counts.values())

    return max(evidence.tasks, key=rank, default=DEFAULT_TASK)


def usual_options(evidence: Evidence, task: str, today: int) -> int:
    """How many options most answers to the task's questions had to choose from; 2 if unknown."""
    answers: dict[int, float] = {}
    for of in marks(evidence.of(task, today)).values():
        for options, (right, wrong) in of.items():
            answers[options] = answers.get(options, 0.0) + right + wrong
    return max(answers, key=lambda options: answers[options], default=2)


def decisions_known(evidence: Evidence, today: int) -> float:
    """Complete decisions with an outcome, of all tasks, weighted by age."""
    return sum(_outcomes(evidence.of(task, today)) for task in evidence.tasks)


def _outcomes(counts: Counts) -> float:
    return counts.get("held", 0.0) + counts.get("failed", 0.0)


def wilson(hits: float, misses: float) -> Share:
    """A share with Wilson's score interval (1927), which stays within 0 and 1."""
    number = hits + misses
    share = hits / number
    middle = (share + _Z**2 / (2 * number)) / (1 + _Z**2 / number)
    half = (
        _Z
        / (1 + _Z**2 / number)
        * math.sqrt(share * (1 - share) / number + _Z**2 / (4 * number**2))
    )
    return Share(
        share, max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half)), number
    )


def difference(ahead: float, behind: float, number: float) -> Share:
    """A difference of two shares of the same decisions: how often only the first was right, less
    how often only the second was. Wald's interval with half a decision added to each of the four
    cells (Agresti and Min 2005), which keeps its coverage where such decisions are few."""
    value = (ahead - behind) / number
    apart, wide = ahead + behind + 1, number + 2
    middle = (ahead - behind) / wide
    half = _Z * math.sqrt(max(0.0, apart - (ahead - behind) ** 2 / wide)) / wide
    return Share(value, max(-1.0, middle - half), min(1.0, middle + half), number)


def _member(name: str, counts: Counts, held: float, failed: float) -> MemberFigures:
    of = marks(counts).get(name, {})
    right, wrong = sum(right for right, _ in of.values()), sum(wrong for _, wrong in of.values())
    number = right + wrong + counts.get(f"silent {name}", 0.0)
    enough = number >= MINIMUM
    ahead, behind = counts.get(f"ahead {name}", 0.0), counts.get(f"behind {name}", 0.0)
    return MemberFigures(
        name=name,
        accuracy=_share(right, wrong),
        alone=wilson(right, number - right) if enough else None,
        gain=difference(ahead, behind, number) if enough else None,
        calibration_error=_calibration_error(name, counts),
    )


def _pair(pair: tuple[str, str], counts: Counts) -> PairFigures:
    one, other = pair
    same, differ = counts.get(f"same {one} {other}", 0.0), counts.get(f"differ {one} {other}", 0.0)
    value, number = phi(pair, counts)
    return PairFigures(
        members=pair,
        agreement=same / (same + differ) if same + differ >= MINIMUM else None,
        error_correlation=value if number >= MINIMUM else None,
    )


def _calibration_error(name: str, counts: Counts) -> float | None:
    bins = [
        tuple(counts.get(f"{what} {name} {bin_}", 0.0) for what in ("stated", "claimed", "borne"))
        for bin_ in range(10)
    ]
    number = sum(stated for stated, _, _ in bins)
    if number < MINIMUM:
        return None
    return sum(abs(claimed / 100 - borne) for _, claimed, borne in bins) / number


def _share(hits: float, misses: float) -> Share | None:
    return wilson(hits, misses) if hits + misses >= MINIMUM else None


def _alone(member: MemberFigures) -> float:
    assert member.alone is not None  # noqa: S101  (only such members are ranked)
    return member.alone.value


def _worth(
    members: tuple[MemberFigures, ...], best: MemberFigures | None, outcomes: float
) -> tuple[Worth, str]:
    """It helps if it is better than every member; then no choice of the best one after the fact
    flatters it."""
    gains = [member.gain for member in members]
    if best is None or best.gain is None or outcomes < MINIMUM:
        return "Unknown", (
            f"unknown: {outcomes:.0f} complete decisions have an outcome, {MINIMUM} are needed"
        )
    interval = f"95 % interval {100 * best.gain.low:+.1f} to {100 * best.gain.high:+.1f}"
    points = f"{100 * best.gain.value:+.1f} points against {best.name} alone ({interval})"
    if best.gain.high < WORTH:
        return "DoesNotHelp", f"the ensemble does not help: {points}"
    if all(gain is not None and gain.low > 0 for gain in gains):
        return "Helps", f"the ensemble helps: {points}"
    return "Unknown", f"unknown yet whether the ensemble helps: {points}"
