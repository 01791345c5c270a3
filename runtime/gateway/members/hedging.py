"""How many second requests a member may have, and how many it had.

A request that is slower than 19 of 20 gets company (a hedged request: Dean and Barroso, The Tail at
Scale, CACM 56(2), 2013). What keeps that from doubling the load on who is slow because of load is a
token bucket: each question to the member pays its share of a hedge into it, and a hedge takes a
whole one out. So there are never more than that share, however slow everything becomes.
"""

from collections.abc import Mapping

#: Shares are in percent, so this is what one second request takes.
_ONE = 100
#: Second requests that may be saved up while all is well: the most that go out in a row.
SAVED = 10
#: Questions that the share speaks of: about the last so many.
WINDOW = 1000
#: Percent by which a told time, and points by which a told share may be off, so that a status does
#: not flicker.
SLACK_PERCENT, SLACK_POINTS = 20, 1


class Hedges:
    """The second requests of one member, whichever of its variants is asked."""

    def __init__(self) -> None:
        self._bucket = 0
        self._asked = self._sent = 0
        self._told: dict[str, int] = {}
        self._told_share = 0

    def asked(self, max_percent: int) -> None:
        """Note a question to the member, of which so many percent may be hedged."""
        self._bucket = min(self._bucket + max_percent, SAVED * _ONE)
        self._asked += 1
        if self._asked > 2 * WINDOW:
            self._asked, self._sent = self._asked // 2, self._sent // 2

    @property
    def allowed(self) -> bool:
        """Whether there is room for one."""
        return self._bucket >= _ONE

    def sent(self) -> None:
        """Note a second request."""
        self._bucket -= _ONE
        self._sent += 1

    def words(self, p95: Mapping[str, int | None], max_percent: int) -> str:
        """When a second request goes out and how often one did, for a status.

        Args:
            p95: 95th percentile of each variant's latency in milliseconds; None: not known.
            max_percent: questions that may be hedged.
        """
        self._told = {
            variant: _steady(self._told.get(variant), milliseconds)
            for variant, milliseconds in p95.items()
            if milliseconds is not None
        }
        share = 100 * self._sent / max(1, self._asked)
        if abs(share - self._told_share) > SLACK_POINTS:
            self._told_share = round(share)
        named = len(p95) > 1
        times = [
            f"{ms} ms ({variant})" if named else f"{ms} ms" for variant, ms in self._told.items()
        ]
        when = f"asked again after {', '.join(times)}" if times else "not measured yet"
        return f"{when}; {self._told_share} % of questions lately, {max_percent} % at most"


def _steady(told: int | None, now: int) -> int:
    """What was told as long as it is about right, and otherwise two digits of what is."""
    if told is not None and abs(now - told) * 100 <= SLACK_PERCENT * told:
        return told
    return round(now, 2 - len(str(now)))
