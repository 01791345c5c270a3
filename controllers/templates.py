"""Templates as something that experiments change: what they are called, and which text is which.

Whether one can be used is for the gateways to say: it is a tenant's program, and runs in their
pods.
"""

import hashlib
from typing import cast, get_args

from crds.templates import TemplateName

_PROMPT = "prompt/"
#: Both templates.
NAMES: tuple[TemplateName, ...] = get_args(TemplateName)
#: Stands for the digest of the text that ships, which a newer gateway may word otherwise.
SHIPPED = "default"


def target(storyteller: str, name: TemplateName) -> str:
    """What a template is called as something that is changed."""
    return f"{_PROMPT}{storyteller}/{name}"


def name_of(what: str) -> TemplateName | None:
    """Which template this is; None: something else."""
    return cast("TemplateName", what.rpartition("/")[2]) if what.startswith(_PROMPT) else None


def digest(text: str) -> str:
    """The first 16 hex digits of its SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
