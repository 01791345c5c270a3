"""The page: what is known of a `Story`, put in words, tables and pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from cli.picture import charts
from cli.picture import figures as say
from cli.picture.charts import Course, Span
from cli.picture.story import Story
from crds.history import Criteria, Criterion, Figures, Look

#: Rows of the table beside a picture.
ROWS = 12


@dataclass(frozen=True)
class Row:
    """One metric at one look, as text."""

    time: str
    blocks: str
    canary: str
    baseline: str
    difference: str
    between: str
    e_value: str


@dataclass(frozen=True)
class Metric:
    """One metric: where it stands, its pictures and the table beside them."""

    name: str
    standing: str
    unit: str
    margin: str
    now: Row
    interval: Markup | None
    effect: Markup | None
    evidence: Markup | None
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Logged:
    """One entry of the log."""

    utc: str
    local: str
    kind: str
    words: str


def render(story: Story, now: datetime, zone: tzinfo | None = None, command: str = "") -> str:
    """The page.

    Args:
        story: what it tells.
        now: the time, which the page is dated with.
        zone: where the reader is; None is where this machine is.
        command: what makes it again.
    """
    history = story.history
    times = say.times(history)
    pictures = []
    if history.log:
        begun, over = min(times), max(times)
        whole = Span(begun, over + max((over - begun) / 20, timedelta(seconds=1)))  # the last share
        pictures.append(_drawn(charts.shares("shares", history.log, whole)))
    if history.looks and any(history.looks[-1].assigned):
        seen = Span(min(times), say.moment(history.looks[-1].time))
        pictures.append(_drawn(charts.sessions("sessions", history.looks, history.criteria, seen)))
    return _template().render(
        story=story,
        criteria=history.criteria,
        unit=say.blocks(history.criteria) if history.criteria else "",
        metrics=_metrics(story, history.criteria) if history.criteria and history.looks else (),
        last=history.looks[-1] if history.looks else None,
        pictures=pictures,
        split=say.e_value(history.looks[-1].split_log_e) if history.looks else "",
        log=[
            Logged(say.full(time), say.local(time, zone), entry.kind, entry.words)
            for entry in history.log
            for time in [say.moment(entry.time)]
        ],
        elsewhere=any(time.astimezone(zone).utcoffset() for time in times),
        made=say.full(now),
        command=command,
        number=say.number,
    )


@cache
def _template() -> Template:
    loader = PackageLoader("cli.picture", ".")
    return Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    ).get_template("page.html.j2")  # fmt: skip


def _metrics(story: Story, criteria: Criteria) -> list[Metric]:
    looks, log = story.history.looks, story.history.log
    span = Span(min(say.times(story.history)), say.moment(looks[-1].time))
    harmful = [name for name, standing in story.standings.items() if standing == "Harmful"]
    found = []
    for at, criterion in enumerate(criteria.metrics):
        name, seen = criterion.name, [look.metrics[at] for look in looks]
        worse = len(harmful) if name in harmful and looks[-1].harmful_at else 0
        course = Course(criterion, criteria, looks, seen, span, log, worse)
        rows = [_row(criterion, look, each) for look, each in zip(looks, seen, strict=True)]
        known = seen[-1].lower is not None
        found.append(
            Metric(
                name=name,
                standing=story.standings.get(name, "Open"),
                unit="points" if say.is_share(criterion) else "",
                margin=_margin(criterion, seen[-1]),
                now=rows[-1],
                interval=_drawn(charts.interval(f"interval-{at}", criterion, seen[-1])),
                effect=_drawn(charts.effect(f"effect-{at}", course)) if known else None,
                evidence=_drawn(charts.evidence(f"harm-{at}", course)),
                rows=tuple(_spread(rows)),
            )
        )
    return found


def _drawn(picture: str | None) -> Markup | None:
    return None if picture is None else Markup(picture)  # noqa: S704 (of ElementTree)


def _margin(criterion: Criterion, seen: Figures) -> str:
    if criterion.relative_margin is not None:
        return f"{say.number(100 * criterion.relative_margin)} % of the baseline"
    if criterion.margin is None:
        return "none; watched for harm"
    if criterion.margin == 0:
        return "has to be better"
    margin = say.number(say.scaled(criterion, criterion.margin))
    if say.is_share(criterion):
        return f"{margin} point" if margin == "1" else f"{margin} points"
    return margin


def _row(criterion: Criterion, look: Look, seen: Figures) -> Row:
    difference, between = "unknown", "unknown"
    if seen.canary is not None and seen.baseline is not None:
        difference = say.signed(say.scaled(criterion, seen.canary - seen.baseline))
    if seen.lower is not None and seen.upper is not None:
        low, high = (say.signed(say.scaled(criterion, each)) for each in (seen.lower, seen.upper))
        between = f"{low} to {high}"
    return Row(
        say.full(say.moment(look.time)),
        f"{look.blocks:,}",
        say.mean(criterion, seen.canary),
        say.mean(criterion, seen.baseline),
        difference,
        between,
        say.e_value(seen.log_e),
    )


def _spread(rows: Sequence[Row]) -> Sequence[Row]:
    """At most so many rows, evenly, the first and the last among them."""
    if len(rows) <= ROWS:
        return rows
    return [rows[round(at * (len(rows) - 1) / (ROWS - 1))] for at in range(ROWS)]
