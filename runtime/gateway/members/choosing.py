"""Which variant of a member is asked: a rule that a person can read, as a pure function.

Of the variants that answer now, those that are accurate enough and quick enough, and of these the
preferred one. If none is both, the most accurate one that answers: a slow story is better than a
wrong one, and both are better than none.

How quick a variant is shows only when it is asked. So where quickness matters, one that has not
been measured yet is taken to be quick enough until it was, and a small share of questions goes to
those that are not chosen, so that what is known of them stays true.
"""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from crds.ensemble import Serving

#: Share of questions for the variants that are not chosen. Below one in twenty, so that it does not
#: decide how long 19 of 20 answers take.
EXPLORATION = 0.02
#: Answers before a variant's latency is known, and of how many of the last ones it is made.
KNOWN_AFTER = 20
WINDOW = 100


@dataclass(frozen=True, slots=True)
class Option:
    """A variant as the rule sees it."""

    variant: str
    accuracy: float
    cost: float
    #: Whether it answers now.
    answers: bool = True


def pick(
    options: Sequence[Option], rule: Serving, measured: Mapping[str, int | None], draw: float
) -> tuple[str, str]:
    """The variant to ask, and why, in words.

    Args:
        options: at least one, the member itself first.
        rule: what is preferred and what will do.
        measured: 95th percentile of each variant's latency in milliseconds; None or absent: not
            known yet.
        draw: from 0 to 1, at random: who of the others is measured, if anyone.
    """
    able = [option for option in options if option.answers]
    if not able:
        return _most_accurate(options).variant, "no variant answers"
    least = float(rule.minimum_accuracy or 0)
    accurate = [option for option in able if option.accuracy >= least]
    target = rule.target_milliseconds
    good = [
        each for each in accurate if target is None or (measured.get(each.variant) or 0) <= target
    ]
    if not good:
        lacks = "quick" if accurate else "accurate"
        return _most_accurate(able).variant, f"none is {lacks} enough; the most accurate"
    choice = min(good, key=lambda option: _order(option, rule, measured))
    others = [option for option in accurate if option is not choice]
    if others and draw < EXPLORATION and (rule.prefer == "Latency" or target is not None):
        measuring = others[min(int(draw / EXPLORATION * len(others)), len(others) - 1)]
        return measuring.variant, "to measure it"
    return choice.variant, _why(choice, options, able, rule, measured)


class Pace:
    """How long a variant takes, by its last answers."""

    def __init__(self) -> None:
        self._milliseconds: deque[int] = deque(maxlen=WINDOW)
        self._p95: int | None = None

    def took(self, seconds: float) -> None:
        """Note an answer."""
        self._milliseconds.append(round(seconds * 1000))
        if len(self._milliseconds) >= KNOWN_AFTER:
            ordered = sorted(self._milliseconds)
            self._p95 = ordered[ceil(0.95 * len(ordered)) - 1]

    def took_longer_than(self, seconds: float) -> None:
        """Note that nobody waited any longer. It says something only where it is longer than what
        is known."""
        if self._p95 is None or seconds * 1000 > self._p95:
            self.took(seconds)

    @property
    def p95(self) -> int | None:
        """95th percentile in milliseconds; None: too few answers."""
        return self._p95


class Shares:
    """How often each variant of a member was asked, in steps of 10 %.

    What is told changes only when it is clearly wrong, so that a status does not flicker.
    """

    #: Questions that count, and points by which a told share may be off.
    WINDOW = 100
    SLACK = 8

    def __init__(self) -> None:
        self._last: deque[str] = deque(maxlen=self.WINDOW)
        self._told: dict[str, int] = {}

    def asked(self, variant: str) -> None:
        """Note a question."""
        self._last.append(variant)

    @property
    def words(self) -> str:
        """Who is asked how often, for a status."""
        counts = Counter(self._last)
        exact = {variant: 100 * count / len(self._last) for variant, count in counts.items()}
        if any(
            abs(exact.get(variant, 0) - self._told.get(variant, 0)) > self.SLACK
            for variant in exact.keys() | self._told.keys()
        ):
            self._told = {variant: 10 * round(share / 10) for variant, share in exact.items()}
        told = sorted((-share, variant) for variant, share in self._told.items() if share)
        return ", ".join(f"{variant} {-share} %" for share, variant in told) or "nobody asked yet"


def _order(
    option: Option, rule: Serving, measured: Mapping[str, int | None]
) -> tuple[float, float, float]:
    """The preferred one first. Among equals the more accurate, then the cheaper."""
    match rule.prefer:
        case "Cost":
            return option.cost, -option.accuracy, 0
        case "Latency":
            p95 = measured.get(option.variant)
            # Whoever was not measured comes last, the cheapest of them first: it tends to be quick.
            known = (float("inf"), option.cost) if p95 is None else (float(p95), 0.0)
            return *known, -option.accuracy
        case _:
            return -option.accuracy, option.cost, 0


def _most_accurate(options: Sequence[Option]) -> Option:
    return min(options, key=lambda option: (-option.accuracy, option.cost))


def _why(
    choice: Option,
    options: Sequence[Option],
    able: Sequence[Option],
    rule: Serving,
    measured: Mapping[str, int | None],
) -> str:
    p95 = measured.get(choice.variant)
    matters = rule.prefer == "Latency" or rule.target_milliseconds is not None
    pace = f", p95 {p95} ms" if matters and p95 is not None else ""
    if matters and p95 is None:
        pace = ", not measured yet"
    out = [option.variant for option in options if option not in able]
    missing = f"; {', '.join(out)} out" if out else ""
    return f"{rule.words}{pace}{missing}"
