"""What an answer's headers tell of rates."""

import math
from collections.abc import Sequence

from runtime.limits.gcra import Quota


def rate_headers(quotas: Sequence[Quota]) -> dict[str, str]:
    """RateLimit-Policy and RateLimit of draft-ietf-httpapi-ratelimit-headers-10: of each limit its
    quota and window, what is left, and the seconds until all of it is back."""
    if not quotas:
        return {}
    return {
        "ratelimit-policy": ", ".join(
            f'"{quota.rate.name}";q={quota.rate.per_minute};w=60' for quota in quotas
        ),
        "ratelimit": ", ".join(
            f'"{quota.rate.name}";r={quota.remaining};t={seconds(quota.wait or quota.reset)}'
            for quota in quotas
        ),
    }


def seconds(microseconds: int) -> int:
    """Whole seconds, never too few."""
    return math.ceil(microseconds / 1_000_000)
