"""Evidence as text, so that a restarted operator goes on exactly where it was.

JSON with a version. Floats are hexadecimal, so that what is read back is what was written, to the
bit.
"""

import hashlib
import json
from typing import Any

from controllers.delivery.evidence import Badness, Counted, Evidence
from controllers.delivery.harm import Harm
from controllers.delivery.plan import AnalysisPlan
from controllers.delivery.ratio import Split

VERSION = 1


class CheckpointError(ValueError):
    """A checkpoint that cannot be gone on from; the message says what to do."""


def dump(evidence: Evidence, plan: AnalysisPlan) -> str:
    """The evidence under this plan, with the cursor that it was computed to."""
    content = {
        "version": VERSION,
        "plan": plan.digest,
        "cursor": dict(evidence.cursor),
        "blocks": evidence.blocks,
        "harmful": list(evidence.harmful),
        "harmfulAt": evidence.harmful_at,
        "split": {"counts": _hex(evidence.split.counts), "logE": evidence.split.log_e.hex()},
        "waiting": [[_hex(row) for row in queue] for queue in evidence.waiting],
        "metrics": [_metric(counted) for counted in evidence.metrics],
    }
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def load(text: str, plan: AnalysisPlan) -> Evidence:
    """The evidence that `dump` wrote under the same plan."""
    try:
        content = json.loads(text)
        version, digest = content["version"], content["plan"]
    except (ValueError, KeyError, TypeError):
        raise CheckpointError(f"the checkpoint is damaged; {_AGAIN}") from None
    if version != VERSION:
        raise CheckpointError(
            f"the checkpoint has version {version}, and this operator reads {VERSION}; run the "
            f"operator that wrote it, or {_AGAIN}"
        )
    if digest != plan.digest:
        raise CheckpointError(f"the checkpoint was computed under another plan; {_AGAIN}")
    try:
        return _evidence(content)
    except (ValueError, KeyError, TypeError):
        raise CheckpointError(f"the checkpoint is damaged; {_AGAIN}") from None


def digest(text: str) -> str:
    """SHA-256 of a checkpoint: who has the logs can compute it again."""
    return hashlib.sha256(text.encode()).hexdigest()


_AGAIN = "delete it, and the evidence is computed again from the first record of the logs"


def _hex(row: Badness) -> list[str | None]:
    return [None if value is None else value.hex() for value in row]


def _floats(row: list[str]) -> tuple[float, ...]:
    return tuple(map(float.fromhex, row))


def _badness(row: list[str | None]) -> Badness:
    return tuple(None if value is None else float.fromhex(value) for value in row)


def _metric(counted: Counted) -> dict[str, Any]:
    harm = counted.harm
    return {
        "differences": _hex(counted.differences),
        "excess": _hex(counted.excess),
        "harm": [float(n).hex() for n in (harm.blocks, harm.canary, harm.baseline, harm.log_e)],
        "canary": counted.canary.hex(),
        "baseline": counted.baseline.hex(),
        "complete": counted.complete,
        "missing": list(counted.missing),
    }


def _counted(content: Any) -> Counted:
    canary, baseline = content["missing"]
    return Counted(
        _floats(content["differences"]),
        _floats(content["excess"]),
        Harm(*_floats(content["harm"])),
        float.fromhex(content["canary"]),
        float.fromhex(content["baseline"]),
        content["complete"],
        (canary, baseline),
    )


def _evidence(content: Any) -> Evidence:
    canary, baseline = (tuple(map(_badness, queue)) for queue in content["waiting"])
    return Evidence(
        tuple(map(_counted, content["metrics"])),
        content["blocks"],
        Split(_floats(content["split"]["counts"]), float.fromhex(content["split"]["logE"])),
        (canary, baseline),
        tuple(content["harmful"]),
        content["harmfulAt"],
        content["cursor"],
    )
