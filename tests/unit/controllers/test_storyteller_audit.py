"""The operator takes a log forward, never back."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from controllers.conditions import timestamp
from controllers.observed import StorytellerObserved
from controllers.plan import Event, Plan
from controllers.storyteller import plan
from controllers.storyteller.audit import JOIN_SECONDS, join
from crds.checkpoint import Checkpoint, VerifierKey, sign
from crds.gateway import AuditReport, GatewayReport
from crds.merkle import leaf_hash
from crds.storyteller import AuditLog
from runtime.audit.tree import Tree
from tests.unit.controllers.builders import DEFAULTS, NOW, ensemble, storyteller

POD = "bard-gateway-0"
LATER = NOW + timedelta(seconds=JOIN_SECONDS)


class Leaves(bytearray):
    def __len__(self) -> int:
        return super().__len__() // 32

    def read(self, start: int, end: int) -> bytes:
        return bytes(self[start * 32 : end * 32])


@dataclass
class Log:
    """A log that a gateway could have."""

    entries: list[bytes] = field(default_factory=list)
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    origin: str = f"play/bard/{POD}"

    def grown(self, *entries: bytes) -> "Log":
        return Log([*self.entries, *entries], self.key, self.origin)

    def tree(self) -> Tree:
        return Tree(Leaves(b"".join(map(leaf_hash, self.entries))))

    def report(self, since: int | None = None) -> dict[str, GatewayReport]:
        tree = self.tree()
        proof: Sequence[bytes] = ()
        if since is not None and since <= len(tree):
            proof = tree.consistency(since, len(tree))
        audit = AuditReport(
            key=str(VerifierKey(self.origin, self.key.public_key().public_bytes_raw())),
            checkpoint=sign(Checkpoint(self.origin, len(tree), tree.root()), self.key),
            since=since,
            proof=[base64.b64encode(step).decode() for step in proof],
        )
        return {POD: GatewayReport(storyteller="bard", audit=audit)}


def taken(known: Sequence[AuditLog], report: dict[str, GatewayReport], now: Any = LATER) -> Any:
    return join(known, report, "play", "bard", now)


@pytest.fixture
def log() -> Log:
    return Log([b"one", b"two", b"three"])


@pytest.fixture
def known(log: Log) -> list[AuditLog]:
    found: list[AuditLog] = join([], log.report(), "play", "bard", NOW)
    return found


def test_the_first_signed_state_is_taken(log: Log, known: list[AuditLog]) -> None:
    (entry,) = known
    assert (entry.replica, entry.size, entry.at) == (POD, 3, timestamp(NOW))
    assert entry.root == base64.b64encode(log.tree().root()).decode()
    assert VerifierKey.parse(entry.key).name == f"play/bard/{POD}"


def test_a_log_that_grew_is_taken_when_its_time_has_come(log: Log, known: list[AuditLog]) -> None:
    report = log.grown(b"four").report(since=3)
    assert taken(known, report, NOW + timedelta(seconds=JOIN_SECONDS - 1)) == known
    (entry,) = taken(known, report)
    assert (entry.size, entry.at, entry.fault) == (4, timestamp(LATER), None)


def test_an_idle_log_and_a_silent_gateway_change_nothing(log: Log, known: list[AuditLog]) -> None:
    assert taken(known, log.report(since=3)) == known
    assert taken(known, {}) == known
    assert taken(known, {POD: GatewayReport(storyteller="bard")}) == known


def test_growth_without_its_proof_is_not_taken_and_not_blamed(
    log: Log, known: list[AuditLog]
) -> None:
    assert taken(known, log.grown(b"four").report()) == known


@pytest.mark.parametrize(
    ("entries", "fault"),
    [
        ([b"one", b"two"], "LogShrank"),
        ([], "LogShrank"),
        ([b"one", b"two", b"forged"], "LogRewritten"),
        ([b"one", b"forged", b"three", b"four"], "LogRewritten"),
        ([b"two", b"one", b"three", b"four"], "LogRewritten"),
    ],
)
def test_a_log_that_goes_back_is_refused_and_named(
    log: Log, known: list[AuditLog], entries: list[bytes], fault: str
) -> None:
    (entry,) = taken(known, Log(entries, log.key).report(since=3))
    assert entry == known[0].model_copy(update={"fault": fault})
    # It stays so while the gateway is away, and ends when the log is as it was.
    assert taken([entry], {}) == [entry]
    assert taken([entry], log.report(since=3)) == known


def test_another_key_is_not_taken(log: Log, known: list[AuditLog]) -> None:
    (entry,) = taken(known, Log([*log.entries, b"four"]).report(since=3))
    assert (entry.fault, entry.key, entry.size) == ("LogKeyChanged", known[0].key, 3)


def test_another_gateways_log_is_not_taken(log: Log, known: list[AuditLog]) -> None:
    report = Log(log.entries, log.key, "play/bard/bard-gateway-1").report(since=3)
    assert taken(known, report)[0].fault == "LogUnsigned"
    assert taken([], report) == []


def test_a_forged_checkpoint_is_not_taken(log: Log, known: list[AuditLog]) -> None:
    report = log.report(since=3)
    audit = report[POD].audit
    assert audit is not None
    forged = audit.model_copy(update={"checkpoint": audit.checkpoint.replace("\n3\n", "\n9\n")})
    report = {POD: report[POD].model_copy(update={"audit": forged})}
    assert taken(known, report)[0].fault == "LogUnsigned"


def planned(status: Any, report: dict[str, GatewayReport]) -> Plan:
    made = storyteller(status=status)
    seen = StorytellerObserved(
        storyteller=made, defaults=DEFAULTS, ensemble=ensemble(), reports=report
    )
    return plan(seen, LATER)


def intact(result: Plan) -> Any:
    assert result.status is not None
    return next(found for found in result.status.conditions if found.type == "AuditIntact")


def test_the_status_says_so_and_an_event_tells_once(log: Log, known: list[AuditLog]) -> None:
    first = planned({"audit": [entry.dump() for entry in known]}, log.report(since=3))
    assert first.status is not None
    assert (intact(first).status, intact(first).reason) == ("True", "LogsContinue")
    assert not [event for event in first.events if event.reason == "LogsContinue"]

    cut = Log([b"one"], log.key).report(since=3)
    broken = planned(first.status.dump(), cut)
    assert broken.status is not None
    assert intact(broken).status == "False"
    told = [event for event in broken.events if event.reason == "LogShrank"]
    assert told == [Event("Warning", "LogShrank", intact(broken).message)]
    assert "3 entries" in told[0].message
    again = planned(broken.status.dump(), cut)
    assert again.status == broken.status
    assert not [event for event in again.events if event.reason == "LogShrank"]

    mended = planned(broken.status.dump(), log.report(since=3))
    assert intact(mended).status == "True"
    assert [event.type for event in mended.events if event.reason == "LogsContinue"] == ["Normal"]
