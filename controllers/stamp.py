"""The mark of what was applied: a digest in an annotation, so that a live object tells whether it
is the one that is wanted now, and what we *stopped* saying shows too."""

import hashlib
import json

from controllers.plan import Object

#: Digest of the object as it was applied last, without this annotation.
APPLIED = "fabula.dev/applied"


def stamped(obj: Object) -> Object:
    """The object with its digest, ready to be applied."""
    metadata = obj["metadata"]
    annotations = {**metadata.get("annotations", {}), APPLIED: _digest(obj)}
    return {**obj, "metadata": {**metadata, "annotations": annotations}}


def is_of(live: Object, desired: Object) -> bool:
    """Whether the live object was last applied with just this content."""
    mark = live["metadata"].get("annotations", {}).get(APPLIED)
    return bool(mark == _digest(desired))


def _digest(obj: Object) -> str:
    text = json.dumps(obj, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
