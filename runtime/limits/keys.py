"""API keys: who calls, and what he may do.

A Secret holds one item a key, mounted as a file: its name is the key's id, its content a hash and
what goes with it. The key itself is known to nobody but the game.
"""

import hmac
import json
import re
import secrets
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, StringConstraints, ValidationError, model_validator

from crds.base import Decimal, Model

#: ``decide``: begin sessions and ask. ``read``: look at sessions, decisions and records.
#: ``outcome``: say what came of a decision. ``config``: read the World's tunables. ``test``: say
#: who is a tester. ``admin``: everything, deleting included.
Scope = Literal["decide", "read", "outcome", "config", "test", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

#: Characters of the random part: 62 ** 43 is more than 2 ** 256.
_LENGTH = 43
_ALPHABET = string.ascii_letters + string.digits
_ID = r"[a-z0-9](?:[-a-z0-9]{0,38}[a-z0-9])?"
_KEY = re.compile(rf"fk_({_ID})_([A-Za-z0-9]{{{_LENGTH}}})")
#: Longest item that is read, in bytes.
_MAX_ITEM = 4096
#: Most keys of one gateway.
MAX_KEYS = 1000

KeyId = Annotated[str, StringConstraints(pattern=f"^{_ID}$", max_length=40)]


class KeyItem(Model):
    """What a Secret says of one key."""

    sha256: Annotated[
        str,
        StringConstraints(pattern="^[0-9a-f]{64}$"),
        Field(description="SHA-256 of the key, in hexadecimal."),
    ]
    scopes: Annotated[list[Scope], Field(min_length=1, description="What it may do.")]
    per_minute: Annotated[
        int | None,
        Field(ge=1, le=1_000_000, description="Requests a minute. Default: no own limit."),
    ] = None
    daily_usd: Annotated[
        Decimal | None,
        Field(alias="dailyUSD", description="US dollars a day, in UTC. Default: no own cap."),
    ] = None

    @model_validator(mode="after")
    def _distinct(self) -> "KeyItem":
        if len(set(self.scopes)) != len(self.scopes):
            raise ValueError("scopes must differ; leave out what stands there twice")
        return self


class BadKeyItemError(ValueError):
    """An item of the Secret that is no key. The message names the field and never holds a value."""


class UnauthenticatedError(Exception):
    """There is no key, or none that is known."""


class ForbiddenError(Exception):
    """The key does not reach so far."""

    def __init__(self, key: str, scope: Scope) -> None:
        super().__init__(f"key {key} has no scope {scope}")
        self.key = key
        self.scope = scope


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the id of a key, never the key. None: the gateway asks for no keys."""

    key: str | None = None
    scopes: frozenset[Scope] = frozenset({"admin"})
    per_minute: int | None = None
    daily_usd: str | None = None

    @property
    def described(self) -> str:
        """For whom a limit of the key holds."""
        return f"API key {self.key}" if self.key else "all callers together"

    def may(self, scope: Scope) -> bool:
        """Whether the caller may do this."""
        return bool(self.scopes & {scope, "admin"})

    def require(self, scope: Scope) -> None:
        """Return if the caller may do this.

        Raises:
            ForbiddenError: he may not.
        """
        if not self.may(scope):
            raise ForbiddenError(self.key or "", scope)


#: Whoever calls a gateway that asks for no keys.
ANYONE = Caller()


def digest(key: str) -> str:
    """The hash under which a key is kept.

    SHA-256 and nothing slower: a key has 256 random bits, so there is nothing to guess, and a slow
    hash, which passwords need, would only let strangers use up the gateway's time.
    """
    return sha256(key.encode()).hexdigest()


def new_key(name: str) -> str:
    """A key that was never there before.

    Raises:
        ValueError: this cannot be the id of a key.
    """
    if not re.fullmatch(_ID, name):
        raise ValueError(
            f"{name!r} cannot be the id of a key: use up to 40 of a-z, 0-9 and -, with a letter or "
            "digit at both ends"
        )
    return f"fk_{name}_{''.join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))}"


def id_of(key: str) -> str | None:
    """The id in a key, if it has the form of one."""
    match = _KEY.fullmatch(key)
    return match and match[1]


def read_item(text: str) -> KeyItem:
    """An item of the Secret.

    Raises:
        BadKeyItemError: it is not what it should be.
    """
    try:
        return KeyItem.model_validate(json.loads(text), by_alias=True, by_name=False)
    except ValidationError as error:
        # The input is left out: someone may have put the key itself there.
        faults = error.errors(include_input=False, include_url=False, include_context=False)
        told = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in faults[:3])
        raise BadKeyItemError(told) from None
    except ValueError:
        raise BadKeyItemError("is no JSON; make it with fabula keys create") from None


class Keyring:
    """The keys in a folder, read again when a file changes.

    Args:
        folder: where the Secret is mounted. It need not be there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mark: object = None
        self._items: Mapping[str, KeyItem] = {}
        #: Items that are no keys, and why.
        self.faults: Mapping[str, str] = {}

    def __len__(self) -> int:
        return len(self._items)

    def refresh(self) -> bool:
        """Look whether a file changed, and read them all if so; says whether it did. Rotation takes
        effect so: both keys stand in the Secret for a while, then the old one is taken out."""
        mark = tuple(self._marks())
        if mark == self._mark:
            return False
        self._mark = mark
        items, faults = {}, {}
        for name, *_ in mark:
            try:
                if not re.fullmatch(_ID, name):
                    raise BadKeyItemError("its name cannot be the id of a key; use a-z, 0-9 and -")
                items[name] = read_item(self._text(name))
            except BadKeyItemError as error:
                faults[name] = str(error)
        self._items, self.faults = items, faults
        return True

    def caller(self, key: str | None) -> Caller:
        """Whose key this is.

        Raises:
            UnauthenticatedError: nobody's.
        """
        if not key:
            raise UnauthenticatedError("the request has no API key")
        name = id_of(key)
        item = self._items.get(name) if name else None
        # A key that is not there is compared too, so that the time tells nobody which ids are.
        expected = item.sha256 if item else "0" * 64
        if not hmac.compare_digest(digest(key), expected) or item is None:
            raise UnauthenticatedError("the API key is not one of this gateway's")
        return Caller(name, frozenset(item.scopes), item.per_minute, item.daily_usd)

    def _marks(self) -> Iterator[tuple[str, int, int, int]]:
        """Name and state of each file; kubelet's own begin with two dots."""
        try:
            found = sorted(path for path in self._folder.iterdir() if path.name[:1] != ".")
        except OSError:
            return
        for path in found[:MAX_KEYS]:
            try:
                stat = path.stat()
            except OSError:
                continue
            yield path.name, stat.st_mtime_ns, stat.st_size, stat.st_ino

    def _text(self, name: str) -> str:
        try:
            with (self._folder / name).open(encoding="utf-8") as file:
                text = file.read(_MAX_ITEM + 1)
        except (OSError, UnicodeDecodeError):
            raise BadKeyItemError("cannot be read as text") from None
        if len(text) > _MAX_ITEM:
            raise BadKeyItemError(f"is longer than {_MAX_ITEM} characters")
        return text


def presented(headers: Mapping[str, str]) -> str | None:
    """The key of a request: ``Authorization: Bearer``, as OpenAI's clients send it, or
    ``X-API-Key``."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return headers.get("x-api-key") or None
