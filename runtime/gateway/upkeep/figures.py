"""What outcomes say of an ensemble, for a status: rounded, and left alone until there is news."""

from collections.abc import Callable

from crds.figures import Figures, MemberFigures, PairFigures, Rate
from runtime.consensus.evidence import PERIOD_DAYS, Evidence
from runtime.consensus.report import Report, Share, decisions_known

#: Figures are worked out anew once they rest on so much more, and on no less than so many more
#: decisions: a status is written for all who watch it.
GROWN, GROWN_AT_LEAST = 0.1, 10
#: Pairs that are shown, those who err together most.
PAIRS = 6


class Shown:
    """The figures that are shown now."""

    def __init__(self) -> None:
        self._figures: Figures | None = None
        self._of: object = None
        self._seen: Evidence | None = None
        self._rested_on = 0.0

    def figures(
        self, evidence: Evidence, of: object, today: int, work_out: Callable[[], Figures]
    ) -> Figures:
        """Those of before, or new ones.

        Args:
            evidence: what they are worked out from.
            of: whom they speak of; of others they are always new.
            today: in days since 1970-01-01.
            work_out: works them out.
        """
        of = of, today // PERIOD_DAYS
        if self._figures is not None and of == self._of and evidence is self._seen:
            return self._figures
        known, self._seen = decisions_known(evidence, today), evidence
        news = abs(known - self._rested_on)
        grown = news >= max(GROWN * self._rested_on, GROWN_AT_LEAST)
        if self._figures is None or of != self._of or grown:
            self._figures, self._of, self._rested_on = work_out(), of, known
        return self._figures


def rounded(report: Report) -> Figures:
    """A report as a status has it."""
    pairs = sorted(
        (
            PairFigures(
                one=pair.members[0],
                other=pair.members[1],
                error_correlation=_tenths(pair.error_correlation),
                agreement_percent=_percent(pair.agreement),
            )
            for pair in report.pairs
            if pair.error_correlation is not None and pair.agreement is not None
        ),
        key=lambda pair: (-float(pair.error_correlation or 0), pair.one, pair.other),
    )
    best = next((each for each in report.members if each.name == report.best), None)
    return Figures(
        task=report.task,
        outcomes=round(report.outcomes),
        message=report.message,
        worth=report.worth,
        effective_voters=_tenths(report.effective_voters),
        agreement_percent=_percent(report.agreement),
        error_correlation=_tenths(report.error_correlation),
        ensemble=_rate(report.ensemble),
        best=best.name if best else None,
        best_alone=_rate(best.alone) if best else None,
        members=[
            MemberFigures(
                name=member.name,
                accuracy=_rate(member.accuracy),
                calibration_error_percent=_percent(member.calibration_error),
            )
            for member in report.members
        ],
        pairs=pairs[:PAIRS],
    )


def _rate(share: Share | None) -> Rate | None:
    if share is None:
        return None
    low, high = round(100 * share.low), round(100 * share.high)
    return Rate(percent=round(100 * share.value), low_percent=low, high_percent=high)


def _percent(share: float | None) -> int | None:
    return None if share is None else round(100 * share)


def _tenths(value: float | None) -> str | None:
    return None if value is None else f"{round(value, 1) + 0.0:.1f}"
