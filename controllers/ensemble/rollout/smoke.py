"""The first question to a new revision, before a player is told by it: a Job in the namespace of
the ensemble asks each of its ways as a gateway would, and says what came of it.

Pods of the tenant ask, and not the operator, which holds no key of a provider.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from controllers.diagnosis import diagnose
from controllers.ensemble import jobs
from controllers.ensemble.workload import ensemble_labels
from controllers.plan import Children, Defaults, Delete, Object, leaving
from crds.gateway import KEYS_DIR
from crds.rollout import RolloutStatus
from crds.routes import Route

#: On its Job, the salt of the rollout for which it asks.
ASKS = "fabula.dev/asks"
#: How often a pod asks before it gives up, and how many more pods do: one answer will do, how often
#: there is none is for the analysis to judge.
TRIES, RETRIES = 3, 1
#: A pod may take this long to start, in seconds.
START_SECONDS = 120


@dataclass(frozen=True)
class Smoke:
    """What came of the first question of one rollout."""

    salt: str
    answered: bool = False
    #: Why there is no answer, for people.
    failed: str | None = None


def look(status: RolloutStatus | None, own: Children, pods: Iterable[Object]) -> Smoke | None:
    """How far the first question of a rollout is; None where nobody has asked it."""
    found = own.get("Job", _name(status)) if status else None
    if status is None or found is None or leaving(found):
        return None
    match jobs.ended(found):
        case "Complete":
            return Smoke(status.salt, answered=True)
        case "Failed":
            said = jobs.report(found, pods)
            fault = diagnose(jobs.pods_of(found, pods))
            told = (said and said.message) or (fault and fault.message)
            why = told or f"see kubectl describe job {found['metadata']['name']}"
            return Smoke(status.salt, failed=f"the first question was not answered: {why}")
    return Smoke(status.salt)


def asked(status: RolloutStatus, own: Children) -> bool:
    """Whether there is a Job of it, on its way or leaving."""
    return own.get("Job", _name(status)) is not None


def job(
    status: RolloutStatus,
    ensemble: str,
    namespace: str,
    canary: Route,
    defaults: Defaults,
    owners: list[Object],
) -> Object:
    """The Job that asks what the rollout changes.

    Args:
        status: the rollout.
        ensemble: its name.
        namespace: of the ensemble.
        canary: how to ask the member at its new revision.
        defaults: for the image.
        owners: the ensemble.
    """
    new = {change.canary for change in status.revisions}
    routes = [way for way in canary.ways if way.revision in new]
    labels = {**ensemble_labels(ensemble), "app.kubernetes.io/name": "smoke", ASKS: status.salt}
    told = [way.model_dump_json(by_alias=True, exclude_none=True) for way in routes]
    arguments = ["--tries", str(TRIES), *told]
    keys = list(_keys(routes))
    files = [({"name": "keys", "projected": {"sources": keys}}, KEYS_DIR)] if keys else []
    template = jobs.pod("smoke", "runtime.smoke", arguments, defaults, files)
    patience = TRIES * sum(way.timeout_seconds for way in routes) + START_SECONDS
    seconds = patience * (RETRIES + 1)
    return jobs.job(_name(status), namespace, template, RETRIES, seconds, labels, owners)


def needless(states: Iterable[RolloutStatus | None], own: Children) -> list[Delete]:
    """Jobs whose answer nobody needs any more; one that failed stays for its log until the next
    rollout.

    Args:
        states: the rollout as the status has it, and as it is to be: an operator that is killed
            before it writes the one needs the answer again.
        own: live objects of the ensemble.
    """
    known = {state.salt: state for state in states if state}

    def needed(found: Object, salt: str) -> bool:
        begun = salt in known and known[salt].step > 0
        return salt in known and (not begun or jobs.ended(found) == "Failed")

    return [
        Delete.of(found)
        for found in own.of("Job")
        if (salt := found["metadata"]["labels"].get(ASKS))
        and not needed(found, salt)
        and not leaving(found)
    ]


def _name(status: RolloutStatus) -> str:
    return f"{status.member}-{status.salt}-smoke"


def _keys(routes: Collection[Route]) -> Iterable[Object]:
    """API keys of providers as files. Who misses one says so."""
    for way in routes:
        if way.key_file and way.key_secret:
            path = PurePosixPath(way.key_file)
            items = [{"key": path.name, "path": str(path.relative_to(KEYS_DIR))}]
            yield {"secret": {"name": way.key_secret, "optional": True, "items": items}}
