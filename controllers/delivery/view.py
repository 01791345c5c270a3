"""A verdict as a status shows it: text, short, and rounded so that it changes seldom."""

from collections.abc import Mapping
from typing import Literal

from controllers.delivery.verdict import Reading, amount

Standing = Literal["Harmful", "Proven", "Open", "Watched"]


def standing(reading: Reading) -> Standing:
    """Where a metric stands; Watched is one that has no margin."""
    if reading.harmful:
        return "Harmful"
    if reading.proven is None:
        return "Watched"
    return "Proven" if reading.proven else "Open"


def shown(reading: Reading) -> Mapping[str, str]:
    """The figures of a metric; those that are unknown are left out."""
    figures = {
        "canary": reading.canary,
        "baseline": reading.baseline,
        "lower": reading.lower,
        "upper": reading.upper,
    }
    known = {name: decimal(value) for name, value in figures.items() if value is not None}
    return {**known, "eValue": amount(reading.log_e), "standing": standing(reading)}


def decimal(value: float) -> str:
    """Three significant digits, without an exponent and without trailing zeros."""
    rounded = float(f"{value:.3g}")
    text = f"{rounded:.9f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text
