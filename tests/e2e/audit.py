"""Who wrote what: the API server's own audit log, which no operator can talk its way around."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WRITES = {"create", "update", "patch", "delete", "deletecollection"}


@dataclass(frozen=True)
class Audit:
    """The audit log from a moment on."""

    log: Path
    start: int

    @classmethod
    def now(cls, log: Path | None) -> "Audit":
        assert log is not None, "this cluster has no audit log that can be read"
        return cls(log, log.stat().st_size)

    def writes(self, user: str, namespace: str | None = None) -> list[str]:
        """Writes of a user as ``verb resource/name``, its Lease left out."""
        found = []
        with self.log.open("rb") as lines:
            lines.seek(self.start)
            for line in lines:
                if not line.endswith(b"\n"):
                    break  # still being written
                entry = json.loads(line)
                if self._counts(entry, user, namespace):
                    where = entry["objectRef"]
                    what = "/".join(
                        where[key] for key in ("resource", "name", "subresource") if key in where
                    )
                    found.append(f"{entry['verb']} {what}")
        return found

    @staticmethod
    def _counts(entry: dict[str, Any], user: str, namespace: str | None) -> bool:
        where = entry.get("objectRef", {})
        return (
            entry["stage"] == "ResponseComplete"
            and entry["verb"] in WRITES
            and entry["user"]["username"] == user
            and where.get("resource") != "leases"
            and (namespace is None or where.get("namespace") == namespace)
        )
