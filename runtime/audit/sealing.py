"""Entries to bytes and back. What may hold a person's words is sealed under that person's key; what
stays in the clear is the entry as it reads once the key is destroyed.

Sealed is zlib inside AES-256-GCM, bound to kind, id and key, so that no words can be moved to
another place.
"""

import base64
import binascii
import json
import secrets
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
from cryptography.exceptions import InvalidTag

from runtime.audit.entry import ERASED, Entry
from runtime.audit.subjects import SubjectKey

#: Where in the payload the sealed words stand.
_SEALED = "sealed"
_NONCE = 12
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class Keys(Protocol):
    """Where the keys of people are."""

    def find(self, key: str) -> SubjectKey | None:
        """The key of that id. None: it was destroyed, or it is not here."""
        ...


class NoKeys:
    """Where no keys are: every word reads as erased."""

    def find(self, key: str) -> SubjectKey | None:
        """None."""
        return None


@dataclass(frozen=True, slots=True)
class Decoded:
    """The document of an entry, and the key that its words are sealed under, if any."""

    document: dict[str, Any]
    key: str | None


class UnsealError(Exception):
    """The sealed words are not what was written."""


def encode(entry: Entry, key: SubjectKey | None) -> bytes:
    """The payload of an entry, its private fields sealed under ``key``."""
    document = entry.dump()
    words = dict(_withheld(document, entry.private)) if key else {}
    if key and words:
        nonce = secrets.token_bytes(_NONCE)
        packed = zlib.compress(_json(words), 1)
        secret = key.cipher.encrypt(nonce, packed, _place(document, key.id))
        document[_SEALED] = {"key": key.id, "data": base64.b64encode(nonce + secret).decode()}
    return _json(document)


def decode(payload: bytes, keys: Keys) -> Decoded:
    """What a payload holds: whole, or with ``erased`` set where the key was destroyed.

    Raises:
        ValueError: it is no JSON.
        UnsealError: the sealed words were changed, or moved here from elsewhere.
    """
    document = json.loads(payload)
    if not isinstance(document, dict):
        raise ValueError("an entry is a JSON object")
    sealed = document.pop(_SEALED, None)
    if sealed is None:
        return Decoded(document, None)
    key = keys.find(sealed["key"])
    if key is None:
        if document["kind"] == "Decision":
            document["erased"] = True
        return Decoded(document, sealed["key"])
    try:
        raw = base64.b64decode(sealed["data"], validate=True)
        place = _place(document, key.id)
        words = json.loads(zlib.decompress(key.cipher.decrypt(raw[:_NONCE], raw[_NONCE:], place)))
    except (InvalidTag, binascii.Error, zlib.error, KeyError) as error:
        raise UnsealError(f"the sealed words of {document.get('id')} were changed") from error
    for path, value in words.items():
        _put(document, path.split("."), value)
    return Decoded(document, key.id)


def _withheld(document: dict[str, Any], paths: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Take the private values out of a document: each with its path, replaced by a placeholder."""
    public = document.get("fallbackLine")
    for path in paths:
        for concrete, holder, name in _places(document, path.split("."), ""):
            value = holder[name]
            if value != public:
                holder[name] = _placeholder(name, value)
                yield concrete, value


def _places(value: Any, path: list[str], before: str) -> Iterator[tuple[str, dict[str, Any], str]]:
    name, *rest = path
    if name == "*":
        for at, item in enumerate(value):
            yield from _places(item, rest, f"{before}{at}.")
    elif isinstance(value, dict) and name in value:
        if rest:
            yield from _places(value[name], rest, f"{before}{name}.")
        else:
            yield f"{before}{name}", value, name


def _placeholder(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return [ERASED] * len(value)
    if name == "error":  # its first word is ours, the rest may quote an answer
        return f"{str(value).partition(':')[0]}: {ERASED}"
    return ERASED


def _put(document: Any, path: list[str], value: Any) -> None:
    for name in path[:-1]:
        document = document[int(name) if isinstance(document, list) else name]
    document[path[-1]] = value


def _place(document: Mapping[str, Any], key: str) -> bytes:
    return "\n".join(("fabula-sealed-v1", document["kind"], document["id"], key)).encode()


def _json(document: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(document)
    except TypeError:  # a number beyond 64 bits in a game's context
        return _ENCODER.encode(document).encode()
