"""Taking down what the route table no longer names, once every gateway has had time to notice."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from controllers.ensemble import routes, workload
from controllers.ensemble.revision import HISTORY
from controllers.plan import Children, Delete, Object, Ref

#: Gateways follow the table within a second; calls under way get the rest.
LINGER = timedelta(seconds=10)


def retire(
    children: Children, keep: Mapping[str, frozenset[str]], table: Object, now: datetime
) -> tuple[list[Delete], float | None]:
    """What to delete now, and in how many seconds to look again if something must still linger.

    Args:
        children: live objects of the ensemble.
        keep: revisions that run, by member; a member that is not named is gone.
        table: the ConfigMap of the route table, as it should be.
        now: the time.
    """
    unwanted = [
        obj
        for kind in ("Deployment", "Service", "PodDisruptionBudget")
        for obj in children.of(kind)
        if not _wanted(obj, keep) and not obj["metadata"].get("deletionTimestamp")
    ]
    history = _history(children, keep)
    if not unwanted:
        return history, None
    live = children.get("ConfigMap", table["metadata"]["name"])
    settled = live is not None and live.get("data") == table["data"]
    waited = routes.age(table, now) if settled else timedelta()
    if waited < LINGER:
        return history, (LINGER - waited).total_seconds()
    return [*history, *(_delete(obj) for obj in unwanted)], None


def _wanted(obj: Object, keep: Mapping[str, frozenset[str]]) -> bool:
    labels = obj["metadata"]["labels"]
    member = labels.get(workload.MEMBER)
    if member not in keep:
        return False
    rev = labels.get(workload.REVISION)
    return rev is None or rev in keep[member]


def _history(children: Children, keep: Mapping[str, frozenset[str]]) -> list[Delete]:
    """Old ControllerRevisions beyond the history of their member; those of a member that is gone
    follow when nothing of it runs any more."""
    running = {obj["metadata"]["name"] for obj in children.of("Deployment")}
    old: dict[str, list[Object]] = {}
    for stored in children.of("ControllerRevision"):
        if _wanted(stored, keep) or stored["metadata"]["name"] in running:
            continue
        old.setdefault(stored["metadata"]["labels"].get(workload.MEMBER, ""), []).append(stored)
    out = []
    for member, revisions in old.items():
        newest_first = sorted(revisions, key=lambda obj: -int(obj["revision"]))
        out += [_delete(obj) for obj in newest_first[HISTORY if member in keep else 0 :]]
    return out


def _delete(obj: Object) -> Delete:
    return Delete(Ref.of(obj), obj["metadata"]["uid"])
