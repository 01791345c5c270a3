"""Taking down what the plan no longer wants, once every gateway has had time to notice."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from controllers.ensemble import routes, workload
from controllers.ensemble.revision import HISTORY
from controllers.plan import Children, Delete, Object, leaving

#: Gateways follow the table within a second; calls under way get the rest.
LINGER = timedelta(seconds=10)
WORKLOADS = ("Deployment", "Service", "PodDisruptionBudget")


def retire(
    own: Children, desired: Sequence[Object], ways: Collection[tuple[str, str]], now: datetime
) -> tuple[list[Delete], float | None]:
    """What to delete now, and in how many seconds to look again if something must still linger.

    Args:
        own: live objects that this ensemble controls; nobody else's is ever deleted.
        desired: everything that should be, the ConfigMap of the route table last.
        ways: members and variants in the spec.
        now: the time.
    """
    wanted = {_key(obj) for obj in desired}
    unwanted = [
        obj
        for kind in WORKLOADS
        for obj in own.of(kind)
        if _key(obj) not in wanted and not leaving(obj)
    ]
    history = _history(own, wanted, ways)
    if not unwanted:
        return history, None
    table = desired[-1]
    live = own.get("ConfigMap", table["metadata"]["name"])
    settled = live is not None and live.get("data") == table["data"]
    waited = routes.age(table, now) if settled else timedelta()
    if waited < LINGER:
        return history, (LINGER - waited).total_seconds()
    return [*history, *(Delete.of(obj) for obj in unwanted)], None


def _history(
    own: Children, wanted: set[tuple[str, str]], ways: Collection[tuple[str, str]]
) -> list[Delete]:
    """Old ControllerRevisions beyond the history of their member or variant; those of one that is
    gone follow when nothing of it runs any more."""
    running = {obj["metadata"]["name"] for obj in own.of("Deployment")}
    old: dict[tuple[str, str], list[Object]] = {}
    for stored in own.of("ControllerRevision"):
        if _key(stored) not in wanted and stored["metadata"]["name"] not in running:
            old.setdefault(workload.way_of(stored), []).append(stored)
    out = []
    for way, revisions in old.items():
        newest_first = sorted(revisions, key=lambda obj: -int(obj["revision"]))
        out += [Delete.of(obj) for obj in newest_first[HISTORY if way in ways else 0 :]]
    return out


def _key(obj: Object) -> tuple[str, str]:
    return obj["kind"], obj["metadata"]["name"]
