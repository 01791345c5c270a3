"""Evidence as text, so that a restarted operator goes on exactly where it was.

JSON with a version. Floats are hexadecimal, so that what is read back is what was written, to the
bit. The text holds the cursor that it was computed to, and names its plan by digest.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from controllers.delivery.evidence import Counted, Evidence
from controllers.delivery.harm import Harm
from controllers.delivery.plan import AnalysisPlan
from controllers.delivery.ratio import Split
from controllers.delivery.watch import Watch

VERSION = 1

_AGAIN = "delete it, and everything is computed again from the first record of the logs"
_T = TypeVar("_T")


class CheckpointError(ValueError):
    """A checkpoint that cannot be gone on from; the message says what to do."""


def dump(evidence: Evidence, plan: AnalysisPlan) -> str:
    """The evidence under this plan."""
    content = {
        "cursor": dict(evidence.cursor),
        "blocks": evidence.blocks,
        "harmful": evidence.harmful,
        "harmfulAt": evidence.harmful_at,
        "split": {"counts": _hex(evidence.split.counts), "logE": evidence.split.log_e.hex()},
        "waiting": [[_hex(row) for row in queue] for queue in evidence.waiting],
        "metrics": [_metric(counted) for counted in evidence.metrics],
    }
    return _written("Evidence", plan, content)


def load(text: str, plan: AnalysisPlan) -> Evidence:
    """The evidence that `dump` wrote under the same plan."""
    return _read("Evidence", text, plan, _evidence)


def dump_watch(watch: Watch, plan: AnalysisPlan) -> str:
    """The watch over what was promoted under this plan."""
    content = {
        "cursor": dict(watch.cursor),
        "promised": _hex(watch.promised),
        "detectors": [_hex(logs) for logs in watch.detectors],
        "sessions": watch.sessions,
        "drifted": watch.drifted,
        "driftedAt": watch.drifted_at,
    }
    return _written("Watch", plan, content)


def load_watch(text: str, plan: AnalysisPlan) -> Watch:
    """The watch that `dump_watch` wrote under the same plan."""
    return _read("Watch", text, plan, _watch)


def digest(text: str) -> str:
    """SHA-256 of a checkpoint: who has the logs can compute it again."""
    return hashlib.sha256(text.encode()).hexdigest()


def _written(kind: str, plan: AnalysisPlan, content: Mapping[str, Any]) -> str:
    whole = {"version": VERSION, "kind": kind, "plan": plan.digest, **content}
    return json.dumps(whole, sort_keys=True, separators=(",", ":"))


def _read(kind: str, text: str, plan: AnalysisPlan, parse: Callable[[Any], _T]) -> _T:
    try:
        content = json.loads(text)
        version = content["version"]
        if version == VERSION and content["kind"] == kind and content["plan"] == plan.digest:
            return parse(content)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CheckpointError(f"the checkpoint is damaged; {_AGAIN}") from None
    if version != VERSION:
        raise CheckpointError(
            f"the checkpoint has version {version}, and this operator reads {VERSION}; run the "
            f"operator that wrote it, or {_AGAIN}"
        )
    raise CheckpointError(f"the checkpoint was computed under another plan; {_AGAIN}")


def _hex(row: Sequence[float | None]) -> list[str | None]:
    return [None if value is None else float(value).hex() for value in row]


def _floats(row: Sequence[str]) -> tuple[float, ...]:
    return tuple(map(float.fromhex, row))


def _gaps(row: Sequence[str | None]) -> tuple[float | None, ...]:
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
        "missing": counted.missing,
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
    canary, baseline = (tuple(map(_gaps, queue)) for queue in content["waiting"])
    return Evidence(
        tuple(map(_counted, content["metrics"])),
        content["blocks"],
        Split(_floats(content["split"]["counts"]), float.fromhex(content["split"]["logE"])),
        (canary, baseline),
        tuple(content["harmful"]),
        content["harmfulAt"],
        content["cursor"],
    )


def _watch(content: Any) -> Watch:
    return Watch(
        _gaps(content["promised"]),
        tuple(map(_floats, content["detectors"])),
        content["sessions"],
        tuple(content["drifted"]),
        content["driftedAt"],
        content["cursor"],
    )
