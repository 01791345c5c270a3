"""Numbers and times as a person reads them."""

import math
from datetime import UTC, datetime, tzinfo

from crds.history import Criteria, Criterion, Figures, History

MINUS = "\N{MINUS SIGN}"
#: Natural logarithm of the e-values beyond which a number says no more than words.
_MILLION, _HUNDREDTH = math.log(1e6), math.log(0.01)
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float, digits: int = 3) -> str:
    """So many significant digits, thousands apart, no exponent and no trailing zeros."""
    rounded = float(f"{value:.{digits}g}")
    text = f"{abs(rounded):,.9f}".rstrip("0").rstrip(".")
    return f"{MINUS}{text}" if rounded < 0 else text


def signed(value: float, digits: int = 3) -> str:
    text = number(value, digits)
    return text if text == "0" or text.startswith(MINUS) else f"+{text}"


def is_share(criterion: Criterion) -> bool:
    """Whether its values are shares, which read better in percent."""
    return (criterion.low, criterion.high) == (0.0, 1.0)


def scaled(criterion: Criterion, value: float) -> float:
    """The value as it is shown: shares in percent, or in points."""
    return 100 * value if is_share(criterion) else value


def mean(criterion: Criterion, value: float | None) -> str:
    if value is None:
        return "unknown"
    return number(scaled(criterion, value)) + (" %" if is_share(criterion) else "")


def margin(criterion: Criterion, figures: Figures) -> float | None:
    """How much worse is still called no worse, in the metric's unit; None where nothing is asked,
    or not yet known."""
    if criterion.relative_margin is not None:
        known = figures.baseline
        return None if known is None else criterion.relative_margin * abs(known)
    return criterion.margin


def compared(criterion: Criterion) -> str:
    """Which difference is meant."""
    if criterion.norm is None:
        return f"canary {MINUS} baseline"
    return f"shadow {MINUS} {mean(criterion, criterion.norm)}"


def worse(criterion: Criterion) -> int:
    """The sign of a difference that is bad."""
    return 1 if criterion.better == "Lower" else -1


def blocks(criteria: Criteria) -> str:
    """What sessions are counted in."""
    return "pairs" if criteria.block == (1, 1) else "blocks"


def e_value(log_e: float) -> str:
    if log_e > _MILLION:
        return "above a million"
    if log_e < _HUNDREDTH:
        return "below 0.01"
    return number(math.exp(log_e), 2)


def power(exponent: int) -> str:
    """A power of ten."""
    if -3 <= exponent <= 5:
        return number(10.0**exponent)
    return f"10{str(exponent).translate(_SUPERSCRIPT)}"


def moment(text: str) -> datetime:
    """A time as it stands in a status, in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)


def times(history: History) -> list[datetime]:
    """When anything was seen or done."""
    return [moment(look.time) for look in history.looks] + [
        moment(entry.time) for entry in history.log
    ]


def full(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def local(time: datetime, zone: tzinfo | None) -> str:
    """The same where the reader is; None is where this machine is."""
    there = time.astimezone(zone)
    return there.strftime("%a %d %b %H:%M:%S ") + (there.tzname() or "")


def lasted(seconds: float) -> str:
    """A stretch of time in its two largest units."""
    parts = []
    left = int(seconds)
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"
