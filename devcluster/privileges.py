"""What this process may do on the machine."""

import os
from pathlib import Path

CAP_NET_ADMIN = 12
CAP_SYS_ADMIN = 21
CAP_SYS_RESOURCE = 24


def is_root() -> bool:
    return os.geteuid() == 0


def has_capability(number: int, status: str | None = None) -> bool:
    """Whether a capability is in the effective set, by its number in capability.h."""
    text = Path("/proc/self/status").read_text() if status is None else status
    for line in text.splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> number & 1)
    return False
