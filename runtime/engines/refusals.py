"""What an error status says: whose fault it is, whether to ask again, and when."""

import math
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from runtime.engines.base import EngineError

#: Statuses that speak of the request, not of who refuses it.
_REQUEST_AT_FAULT = frozenset({400, 413, 422})
#: Statuses after which the same request may well succeed: nothing was generated.
_PASSING = frozenset({429, 502, 503, 504})


def refused(status: int | None, message: str, headers: Mapping[str, str]) -> EngineError:
    """The failure behind an error status; ``message``, the other side's, must hold no secret."""
    return EngineError(
        "Status",
        str(status),
        words=" ".join(message.split())[:300],
        blames_member=status not in _REQUEST_AT_FAULT,
        passing=status in _PASSING,
        retry_after=retry_after(headers.get("retry-after")) if status in _PASSING else None,
    )


def retry_after(header: str | None) -> float | None:
    """Seconds to wait, from a ``Retry-After`` header: a number or a date (RFC 9110, 10.2.3). What
    is neither says nothing."""
    if not header:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(header).timestamp() - time.time()
        except ValueError:
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None
