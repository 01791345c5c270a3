"""What the logs of the gateways committed to, joined in one place that none of them can change: a
log that shrank or that was rewritten is refused and told, never taken."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from controllers.conditions import timestamp
from controllers.diagnosis import Fault
from controllers.plan import Event
from crds.checkpoint import Checkpoint, CheckpointError, VerifierKey
from crds.common import Condition
from crds.gateway import AuditReport, GatewayReport
from crds.merkle import verify_consistency
from crds.storyteller import AuditLog, StorytellerStatus

#: Seconds between two states of a log that grows: a status that told of every decision would be
#: written for every decision.
JOIN_SECONDS = 600.0
CONDITION = "AuditIntact"


@dataclass(frozen=True)
class _Claim:
    """What a gateway says, once its signature was checked."""

    checkpoint: Checkpoint
    key: str
    since: int | None
    proof: list[bytes]

    @property
    def root(self) -> str:
        return base64.b64encode(self.checkpoint.root).decode()


def join(
    known: Sequence[AuditLog],
    reports: Mapping[str, GatewayReport],
    namespace: str,
    storyteller: str,
    now: datetime,
) -> list[AuditLog]:
    """The new state of each log.

    Args:
        known: what was taken before.
        reports: by pod. A gateway that says nothing leaves what is known of it as it is.
        namespace: of the Storyteller.
        storyteller: its name.
        now: the time.
    """
    logs = {log.replica: log for log in known}
    for pod, report in reports.items():
        if report.audit is not None:
            origin = f"{namespace}/{storyteller}/{pod}"
            log = _taken(logs.get(pod), pod, origin, report.audit, now)
            if log is not None:
                logs[pod] = log
    return [logs[name] for name in sorted(logs)][:16]


def conditions(
    logs: Sequence[AuditLog], old: Sequence[Condition], generation: int, now: datetime
) -> list[Condition]:
    """The condition about the logs; none where there is no log yet."""
    if not logs:
        return []
    fault = _worst(logs)
    before = next((condition for condition in old if condition.type == CONDITION), None)
    status = "False" if fault else "True"
    kept = before is not None and before.status == status
    return [
        Condition(
            type=CONDITION,
            status="False" if fault else "True",
            reason=fault.reason if fault else "LogsContinue",
            message=fault.message if fault else "every log goes on from what it signed before",
            last_transition_time=before.last_transition_time if kept and before else timestamp(now),
            observed_generation=generation,
        )
    ]


def change_events(old: StorytellerStatus, new: StorytellerStatus) -> tuple[Event, ...]:
    """What to tell when that condition changed; nothing about a log that begins well."""
    before, after = _told(old), _told(new)
    if after is None or (before and before.reason == after.reason):
        return ()
    if after.status == "False":
        return (Event("Warning", after.reason, after.message),)
    return (Event("Normal", "LogsContinue", after.message),) if before else ()


def _told(status: StorytellerStatus) -> Condition | None:
    return next((found for found in status.conditions if found.type == CONDITION), None)


def _taken(
    log: AuditLog | None, pod: str, origin: str, report: AuditReport, now: datetime
) -> AuditLog | None:
    claim = _checked(report, origin)
    if claim is None:
        return log.model_copy(update={"fault": "LogUnsigned"}) if log else None
    size, root = claim.checkpoint.size, claim.root
    if log is None:
        return AuditLog(replica=pod, size=size, root=root, key=claim.key, at=timestamp(now))
    if claim.key != log.key:
        return log.model_copy(update={"fault": "LogKeyChanged"})
    if size < log.size:
        return log.model_copy(update={"fault": "LogShrank"})
    if size > log.size and claim.since != log.size:
        return log  # it proved something else, or nothing: ask again
    if not verify_consistency(
        log.size, size, claim.proof, base64.b64decode(log.root), claim.checkpoint.root
    ):
        return log.model_copy(update={"fault": "LogRewritten"})
    if size > log.size and _age(log, now) >= JOIN_SECONDS:
        return AuditLog(replica=pod, size=size, root=root, key=log.key, at=timestamp(now))
    return log.model_copy(update={"fault": None})


def _checked(report: AuditReport, origin: str) -> _Claim | None:
    try:
        key = VerifierKey.parse(report.key)
        checkpoint = key.verify(report.checkpoint)
        proof = [base64.b64decode(step, validate=True) for step in report.proof]
    except (CheckpointError, binascii.Error):
        return None
    if checkpoint.origin != origin:
        return None
    return _Claim(checkpoint, str(key), report.since, proof)


def _age(log: AuditLog, now: datetime) -> float:
    return (now - datetime.fromisoformat(log.at)).total_seconds()


def _worst(logs: Sequence[AuditLog]) -> Fault | None:
    return next((_fault(log) for log in logs if log.fault), None)


def _fault(log: AuditLog) -> Fault:
    had = f"{log.size} entries that it signed by {log.at}"
    verify = "copy its volume and run fabula audit verify with the key in status.audit"
    match log.fault:
        case "LogShrank":
            return Fault(
                "LogShrank",
                f"the log of {log.replica} no longer has the {had}: an older volume was restored, "
                f"or its end was cut off; {verify}",
            )
        case "LogRewritten":
            return Fault(
                "LogRewritten",
                f"the log of {log.replica} does not begin with the {had}: somebody changed them; "
                f"{verify}",
            )
        case "LogKeyChanged":
            return Fault(
                "LogKeyChanged",
                f"the log of {log.replica} is signed with another key than the {had}: its volume "
                f"was replaced, or the key on it was lost; {verify}",
            )
        case _:
            return Fault(
                "LogUnsigned",
                f"what the log of {log.replica} says now is not signed by its own key; {verify}",
            )
