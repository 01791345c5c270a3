"""What every entry of the log has: a kind, an id that says where it stands, and which of its fields
may hold a person's words."""

import re
from typing import Any, ClassVar

from crds.base import Model

#: ``<kind>-<number in the log>-<random>``: the number finds it, the rest tells logs apart.
_ID = re.compile(r"([a-z])-([0-9]{1,15})-[0-9a-f]{8}")
#: How the payload of an entry begins, so that its place can be checked without parsing it.
_HEAD = re.compile(rb'\{"kind":"([A-Za-z]{1,32})","id":"([a-z]-([0-9]{1,15})-[0-9a-f]{8})"')
#: What is shown of words that were destroyed.
ERASED = "erased"


class Entry(Model):
    """One entry. Subclasses begin with the fields ``kind`` and ``id``, in this order."""

    #: The letter that ids of this kind begin with.
    prefix: ClassVar[str]
    #: Paths of the fields that are sealed under a person's key, as they stand in JSON; ``*`` is
    #: every item of a list.
    private: ClassVar[tuple[str, ...]] = ()

    kind: Any
    id: str
    time: str


def number_of(entry: str) -> int:
    """Where in its log an entry stands, by its id.

    Raises:
        ValueError: it is no id.
    """
    match = _ID.fullmatch(entry)
    if match is None:
        raise ValueError(f"{entry!r} is not the id of an entry")
    return int(match[2])


def head_of(payload: bytes) -> tuple[str, str, int] | None:
    """Kind, id and number of a payload, if it begins as entries do."""
    match = _HEAD.match(payload)
    return (match[1].decode(), match[2].decode(), int(match[3])) if match else None
