"""W3C trace context: a request belongs to its caller's trace, or begins one."""

import re
import secrets
from dataclasses import dataclass

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


@dataclass(frozen=True, slots=True)
class Trace:
    """Where in a trace this gateway's work stands."""

    trace_id: str
    span_id: str
    flags: str

    @property
    def header(self) -> str:
        """The value to hand on as ``traceparent``."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"


def trace_of(header: str | None) -> Trace:
    """The trace of a request with this ``traceparent``, with a span of ours. What is not valid is
    ignored, as the standard says."""
    match = _TRACEPARENT.fullmatch(header or "")
    valid = (
        match is not None
        and match[1] != "ff"
        and (match[1] != "00" or match[5] is None)
        and set(match[2]) != {"0"}
        and set(match[3]) != {"0"}
    )
    span = secrets.token_hex(8)
    if match is not None and valid:
        return Trace(match[2], span, match[4])
    return Trace(secrets.token_hex(16), span, "01")
