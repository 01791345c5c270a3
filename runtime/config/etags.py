"""Bodies and their entity tags (RFC 9110, section 8.8.3), so that who has the latest is not sent it
again."""

import json
import re
from hashlib import sha256

_TAG = re.compile(r'(?:W/)?("[^"]*")')


def as_json(value: object) -> bytes:
    """JSON in which a Number stays one: 1.0, which typed SDKs tell from 1."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def etag(body: bytes) -> str:
    """A strong tag of a body."""
    return f'"{sha256(body).hexdigest()[:16]}"'


def matches(if_none_match: str | None, tag: str) -> bool:
    """Whether a client that sent this has what the tag names."""
    if if_none_match is None:
        return False
    return if_none_match.strip() == "*" or tag in _TAG.findall(if_none_match)
