"""One request and who makes it: what the guards of every server of ours begin with."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from runtime.limits.gcra import Quota, Rate
from runtime.limits.keys import ANYONE, Caller, Keyring, Scope, presented

log = structlog.get_logger(__name__)

#: The files with the keys are looked at no more often.
_LOOK_SECONDS = 1.0


#: What the rate of a key is called.
PER_KEY = "perKeyPerMinute"


def key_rate(declared: int | None, caller: Caller) -> Rate | None:
    """The rate of a caller: declared for every key or for his, whichever is less; None: no rate."""
    rates = [each for each in (declared, caller.per_minute) if each]
    return Rate(PER_KEY, min(rates)) if rates else None


class RateLimitedError(Exception):
    """A rate holds the request back. ``remedy`` names the field that sets it."""

    def __init__(self, quota: Quota, subject: str, remedy: str) -> None:
        super().__init__(f"{quota.rate.name} is {quota.rate.per_minute} for {subject}")
        self.quota = quota
        self.remedy = remedy


@dataclass
class Visit:
    """One request: who asks, and what his rates say."""

    caller: Caller = ANYONE
    #: The key itself, for asking other replicas in the caller's name; in no log.
    credential: str | None = field(default=None, repr=False)
    quotas: Sequence[Quota] = field(default_factory=tuple)

    def tester(self, named: str | None) -> str | None:
        """Whom the caller names as a tester.

        Raises:
            ForbiddenError: its key may not, or any player could put himself into a canary.
        """
        if named is not None:
            self.caller.require("test")
        return named


class Keys:
    """The keyring of the folder that is named just now, read again when its files change."""

    def __init__(self) -> None:
        self._keyring: tuple[str, Keyring] | None = None
        self._looked = 0.0

    def visit(
        self,
        folder: str | None,
        headers: Mapping[str, str],
        scope: Scope,
        instead: Scope | None = None,
    ) -> Visit:
        """Who calls, if he may do this; ``instead`` is a scope that is as good. Without a folder,
        no keys are asked for.

        Raises:
            UnauthenticatedError: there is no key, or none that is known.
            ForbiddenError: the key has not that scope.
        """
        keyring = self.ring(folder)
        if keyring is None:
            return Visit()
        credential = presented(headers)
        caller = keyring.caller(credential)
        if instead is None or not caller.may(instead):
            caller.require(scope)
        return Visit(caller, credential)

    def ring(self, folder: str | None) -> Keyring | None:
        """The keys in a folder; None: none are asked for."""
        if folder is None:
            self._keyring = None
            return None
        now = time.monotonic()
        if self._keyring is None or self._keyring[0] != folder:
            self._keyring = folder, Keyring(Path(folder))
            self._looked = now - _LOOK_SECONDS
        keyring = self._keyring[1]
        if now - self._looked >= _LOOK_SECONDS:
            self._looked = now
            if keyring.refresh():
                log.info("keys_read", usable=len(keyring), faults=dict(keyring.faults))
        return keyring

    @property
    def faults(self) -> Mapping[str, str]:
        """Items that are no keys, and why, of the keyring that was asked for last."""
        return self._keyring[1].faults if self._keyring else {}
