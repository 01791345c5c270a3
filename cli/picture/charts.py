"""The pictures of one analysis: where a difference lies, what speaks for harm, who was exposed."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from cli.picture import figures as say
from cli.picture.scale import Scale, decades, moments, ticks
from cli.picture.svg import Drawing, apart
from crds.history import Criteria, Criterion, Entry, Figures, Look

WIDTH, HEIGHT = 560.0, 250.0
LEFT, RIGHT, TOP, BOTTOM = 56.0, 408.0, 26.0, 206.0
#: How far early bounds may widen a picture, as a multiple of what has to be on it.
_WIDENED = 0.6
_TEN = math.log(10)


@dataclass(frozen=True)
class Span:
    """The time that a picture shows."""

    start: datetime
    end: datetime

    def place(self, time: str) -> float:
        return self.at(say.moment(time))

    def at(self, time: datetime) -> float:
        return Scale(0, (self.end - self.start).total_seconds(), LEFT, RIGHT)(
            (time - self.start).total_seconds()
        )


@dataclass(frozen=True)
class Course:
    """One metric over time."""

    criterion: Criterion
    criteria: Criteria
    looks: Sequence[Look]
    #: Its figures at each look.
    seen: Sequence[Figures]
    span: Span
    log: Sequence[Entry]
    #: How many metrics were found harmful, if this one is among them; 0 if not.
    harmful: int


def effect(name: str, course: Course) -> str:
    """The difference of the arms' means over time, with its confidence sequence and the margin.
    Something has to be known of it."""
    criterion, looks, seen, span = course.criterion, course.looks, course.seen, course.span
    known = [(look, each) for look, each in zip(looks, seen, strict=True) if each.lower is not None]
    unit = "points" if say.is_share(criterion) else "in its unit"
    drawing = Drawing(
        name, WIDTH, HEIGHT, f"{criterion.name}: {say.compared(criterion)}",
        _effect_in_words(criterion, [each for _, each in known]),
    )  # fmt: skip
    sign, last = say.worse(criterion), known[-1][1]
    margin = say.margin(criterion, last)
    y = _heights(criterion, [each for _, each in known], margin)
    _grid(drawing, [(y(value), say.signed(value)) for value in ticks(y.low, y.high)])
    if margin is not None:
        edge, end = y(say.scaled(criterion, sign * margin)), TOP if sign > 0 else BOTTOM
        drawing.box((LEFT, min(edge, end)), RIGHT - LEFT, abs(end - edge), "beyond")
        places = [
            (span.place(look.time), y(say.scaled(criterion, sign * at)))
            for look, each in known
            if (at := say.margin(criterion, each)) is not None
        ]
        drawing.path([(LEFT, places[0][1]), *places, (RIGHT, places[-1][1])], "margin")
    drawing.line((LEFT, y(0)), (RIGHT, y(0)), "zero")
    _moves(drawing, span, course.log, BOTTOM - 6)

    def along(value: Callable[[Figures], float | None]) -> list[tuple[float, float]]:
        return [
            (span.place(look.time), y(say.scaled(criterion, found)))
            for look, each in known
            if (found := value(each)) is not None
        ]

    drawing.area(along(lambda each: each.upper), along(lambda each: each.lower), "band")
    middle = along(_difference)
    drawing.path(middle, "canary line")
    drawing.dot(middle[-1], "canary")
    labels = [
        (middle[-1][1], f"{say.signed(_shown(criterion, last))} {_unit(criterion)}", "canary")
    ]
    if margin is not None:
        said = say.number(say.scaled(criterion, margin))
        labels.append((y(say.scaled(criterion, sign * margin)), f"margin {said}", "harm"))
    labels.append((y(0), "no difference", "quiet"))
    _labels(drawing, labels)
    _times(drawing, span, looks, course.criteria)
    drawing.text((LEFT, 14), f"{say.compared(criterion)}, {unit}", "quiet")
    drawing.text((RIGHT, 14), f"{'above' if sign > 0 else 'below'} 0 is worse", "quiet", "end")
    return str(drawing)


def evidence(name: str, course: Course) -> str:
    """The e-value for harm over time, against what stops the canary.

    Between two looks are many pairs and a look at each, so where harm was found has a mark of its
    own: the line need not show it.
    """
    criterion, criteria, looks, seen = course.criterion, course.criteria, course.looks, course.seen
    span, harmful = course.span, course.harmful
    bar = math.log10(criteria.harm_bar)
    logs = [each.log_e / _TEN for each in seen]
    low, high = max(-4.0, min(-1.0, *logs)), max(bar + 0.5, *logs)
    y = Scale(low, high, BOTTOM, TOP)
    drawing = Drawing(
        name, WIDTH, HEIGHT, f"{criterion.name}: evidence for harm",
        f"The e-value is {say.e_value(seen[-1].log_e)} after {looks[-1].blocks:,} "
        f"{say.blocks(criteria)}; {say.number(criteria.harm_bar)} by itself stops the canary. "
        f"The largest was {say.e_value(max(each.log_e for each in seen))}.",
    )  # fmt: skip
    _grid(drawing, [(y(n), say.power(n)) for n in decades(low, high)])
    drawing.box((LEFT, TOP), RIGHT - LEFT, y(bar) - TOP, "beyond")
    drawing.line((LEFT, y(bar)), (RIGHT, y(bar)), "margin")
    drawing.line((LEFT, y(0)), (RIGHT, y(0)), "zero")
    _moves(drawing, span, course.log, TOP + 14)
    places = [(span.place(look.time), y(each)) for look, each in zip(looks, logs, strict=True)]
    drawing.path(places, "canary line")
    drawing.dot(places[-1], "canary")
    if harmful:
        found = _found(looks, span), y(bar - math.log10(harmful))
        drawing.dot(found, "harm")
        told = f"found after {looks[-1].harmful_at:,}"
        drawing.text((found[0] + 4, found[1] + 17), told, "label harm", "end")
    labels = [
        (places[-1][1], say.e_value(seen[-1].log_e), "canary"),
        (y(bar), f"{say.number(criteria.harm_bar)} stops it", "harm"),
        (y(0), "1: nothing won or lost", "quiet"),
    ]
    _labels(drawing, labels)
    _times(drawing, span, looks, criteria)
    drawing.text((LEFT, 14), "e-value for harm, tenfold from line to line", "quiet")
    return str(drawing)


def shares(name: str, log: Sequence[Entry], span: Span) -> str:
    """Which share of new sessions each arm got, over time."""
    moves = _steps(log, span)
    last = moves[-1][1]
    canary, baseline = last, _baseline(last)
    drawing = Drawing(
        name, WIDTH, HEIGHT, "Share of new sessions",
        "; ".join(f"{percent} % from {say.full(time)}" for time, percent in moves),
    )  # fmt: skip
    y = Scale(0, 100, BOTTOM, TOP)
    _grid(drawing, [(y(value), f"{value:g} %") for value in (0, 25, 50, 75, 100)])
    ends = [*(time for time, _ in moves[1:]), span.end]
    for (time, percent), end in zip(moves, ends, strict=True):
        x, width = span.at(time), span.at(end) - span.at(time)
        beside = _baseline(percent)
        drawing.box((x, y(percent)), width, y(0) - y(percent), "canary share")
        drawing.box((x, y(percent + beside)), width, y(0) - y(beside), "baseline share")
    rest = 100 - canary - baseline
    labels = [
        (canary, y(canary / 2), f"canary {canary} %", "canary"),
        (baseline, y(canary + baseline / 2), f"baseline {baseline} %", "baseline"),
        (rest, y(100 - rest / 2), f"neither {rest} %", "quiet"),
    ]
    _labels(drawing, [(at, words, style) for percent, at, words, style in labels if percent])
    _times(drawing, span)
    drawing.text((LEFT, 14), "share of the sessions that begin", "quiet")
    return str(drawing)


def sessions(name: str, looks: Sequence[Look], criteria: Criteria | None, span: Span) -> str:
    """How many sessions each arm got, over time."""
    canary, baseline = looks[-1].assigned
    drawing = Drawing(
        name, WIDTH, HEIGHT, "Sessions assigned",
        f"By {say.full(say.moment(looks[-1].time))} the canary had {canary:,} sessions and the "
        f"baseline {baseline:,}.",
    )  # fmt: skip
    y = Scale(0, max(1, canary, baseline), BOTTOM, TOP)
    _grid(drawing, [(y(value), f"{value:,.0f}") for value in ticks(0, y.high) if value % 1 == 0])
    for arm, style in ((1, "baseline line"), (0, "canary line")):
        drawing.path([(span.place(each.time), y(each.assigned[arm])) for each in looks], style)
    _labels(
        drawing,
        [
            (y(canary), f"canary {canary:,}", "canary"),
            (y(baseline), f"baseline {baseline:,}", "baseline"),
        ],
    )
    _times(drawing, span, looks, criteria)
    drawing.text((LEFT, 14), "sessions assigned so far", "quiet")
    return str(drawing)


def interval(name: str, criterion: Criterion, seen: Figures) -> str | None:
    """Where the difference lies between better and the margin, for a row of a table: the margin is
    at the same place in every row. None where there is no margin or nothing known."""
    margin, difference = say.margin(criterion, seen), _difference(seen)
    if not margin or seen.lower is None or seen.upper is None or difference is None:
        return None
    sign = say.worse(criterion)
    x = Scale(-2, 2, 8, 192)
    bounds = sorted(sign * bound / margin for bound in (seen.lower, seen.upper))
    drawing = Drawing(
        name, 200, 26, f"{criterion.name}: interval against the margin",
        f"The difference lies between {say.number(bounds[0], 2)} and {say.number(bounds[1], 2)} "
        "times the margin, where 0 is no difference and 1 is the margin.",
    )  # fmt: skip
    drawing.box((x(1), 2), x(2) - x(1), 22, "beyond")
    drawing.line((x(0), 2), (x(0), 24), "zero")
    drawing.line((x(1), 2), (x(1), 24), "margin")
    drawing.line((x(bounds[0]), 13), (x(bounds[1]), 13), "canary bar")
    drawing.dot((x(sign * difference / margin), 13), "canary", 4)
    if bounds[1] > x.high:
        drawing.text((200, 17), "›", "canary", "end")
    if bounds[0] < x.low:
        drawing.text((0, 17), "‹", "canary")
    return str(drawing)


def _difference(seen: Figures) -> float | None:
    if seen.canary is None or seen.baseline is None:
        return None
    return seen.canary - seen.baseline


def _shown(criterion: Criterion, seen: Figures) -> float:
    return say.scaled(criterion, _difference(seen) or 0.0)


def _unit(criterion: Criterion) -> str:
    return "points" if say.is_share(criterion) else ""


def _effect_in_words(criterion: Criterion, seen: Sequence[Figures]) -> str:
    last = seen[-1]
    low, high = (
        say.signed(say.scaled(criterion, each or 0.0)) for each in (last.lower, last.upper)
    )
    told = f"At last it is {say.signed(_shown(criterion, last))}, between {low} and {high}"
    if (margin := say.margin(criterion, last)) is not None:
        told += f"; the margin is {say.number(say.scaled(criterion, margin))}"
    return f"{told} {_unit(criterion)}".strip() + "."


def _found(looks: Sequence[Look], span: Span) -> float:
    """The place at which harm was found: between two looks, as many pairs lie between."""
    at = looks[-1].harmful_at or 0
    after = next(look for look in looks if look.blocks >= at)
    before = next((look for look in reversed(looks) if look.blocks < at), None)
    if before is None:
        return span.place(after.time)
    return Scale(before.blocks, after.blocks, span.place(before.time), span.place(after.time))(at)


def _heights(criterion: Criterion, seen: Sequence[Figures], margin: float | None) -> Scale:
    """What has to be on the picture (0, the margin, where the difference lies now), and of the
    wide bounds of early looks as much as leaves that readable."""
    last = seen[-1]
    must = [0.0, say.worse(criterion) * 1.3 * (margin or 0.0), last.lower or 0.0, last.upper or 0.0]
    must += [each for each in map(_difference, seen[len(seen) // 2 :]) if each is not None]
    low, high = min(must), max(must)
    room = (_WIDENED * (high - low)) or 1.0
    low = max(min([low, *(each.lower or 0.0 for each in seen)]), low - room)
    high = min(max([high, *(each.upper or 0.0 for each in seen)]), high + room)
    return Scale(say.scaled(criterion, low), say.scaled(criterion, high), BOTTOM, TOP)


def _baseline(percent: int) -> int:
    """The baseline's share: as much as the canary's, until everyone has the canary."""
    return percent if percent <= 50 else 0


def _steps(log: Sequence[Entry], span: Span) -> list[tuple[datetime, int]]:
    """When which share began."""
    moves = [(say.moment(e.time), e.percent) for e in log if e.percent is not None]
    known = [(time, percent) for time, percent in moves if time <= span.end]
    return [
        each
        for before, each in pairwise([(span.start, -1), *known])
        if before[1] != each[1]
    ] or [(span.start, 0)]  # fmt: skip


def _day(time: datetime) -> str:
    return f"{time.day} {time:%b}"


def _grid(drawing: Drawing, marks: Sequence[tuple[float, str]]) -> None:
    for height, words in marks:
        drawing.line((LEFT, height), (RIGHT, height), "grid")
        drawing.text((LEFT - 8, height + 4), words, "tick", "end")


def _labels(drawing: Drawing, labels: Sequence[tuple[float, str, str]]) -> None:
    """Words beside the lines that they name."""
    heights = apart([height for height, _, _ in labels], BOTTOM)
    for height, (_, words, style) in zip(heights, labels, strict=True):
        drawing.text((RIGHT + 10, height + 4), words, f"label {style}")


def _moves(drawing: Drawing, span: Span, log: Sequence[Entry], height: float) -> None:
    """Where the share of sessions changed."""
    moves = [(span.at(time), percent) for time, percent in _steps(log, span)]
    for (x, percent), (following, _) in pairwise([*moves, (RIGHT, 0)]):
        if following - x > 30:
            drawing.line((x, TOP), (x, BOTTOM), "move")
            drawing.text((x + 4, height), f"{percent} %", "move")


def _times(
    drawing: Drawing, span: Span, looks: Sequence[Look] = (), criteria: Criteria | None = None
) -> None:
    """The axis of time, and below it how many blocks there were by then."""
    drawing.line((LEFT, BOTTOM), (RIGHT, BOTTOM), "axis")
    since = "" if span.start.date() == span.end.date() else "from "
    brief = (span.end - span.start).total_seconds() < 600
    for time in moments(span.start, span.end):
        x = span.at(time)
        drawing.line((x, BOTTOM), (x, BOTTOM + 4), "axis")
        midnight = (time.hour, time.minute, time.second) == (0, 0, 0)
        clock = _day(time) if midnight else time.strftime("%H:%M:%S" if brief else "%H:%M")
        drawing.text((x, BOTTOM + 18), clock, "tick", "middle")
        if counted := [each.blocks for each in looks if say.moment(each.time) <= time]:
            drawing.text((x, BOTTOM + 34), f"{counted[-1]:,}", "tick", "middle")
    drawing.text((RIGHT + 28, BOTTOM + 18), f"UTC, {since}{_day(span.start)}", "quiet")
    if criteria:
        drawing.text((RIGHT + 28, BOTTOM + 34), f"{say.blocks(criteria)} that count", "quiet")
