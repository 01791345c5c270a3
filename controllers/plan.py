"""What a decision is made of (`Observed` things) and what comes out of it (`Plan`).

Objects of the cluster are plain dicts as the API server returns them; our own kinds are parsed.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from crds.common import Status

Object = dict[str, Any]
Found = TypeVar("Found")


@dataclass(frozen=True, order=True)
class Ref:
    """Which object: enough to build its address."""

    api_version: str
    kind: str
    namespace: str
    name: str

    @classmethod
    def of(cls, obj: Object) -> "Ref":
        meta = obj["metadata"]
        return cls(obj["apiVersion"], obj["kind"], meta.get("namespace", ""), meta["name"])

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class Children:
    """The live objects that carry our labels, found by kind and name."""

    def __init__(self, objects: Iterable[Object] = ()) -> None:
        self._objects = {(obj["kind"], obj["metadata"]["name"]): obj for obj in objects}
        self._parsed: dict[tuple[str, str, Callable[[Object], Any]], Any] = {}

    def get(self, kind: str, name: str) -> Object | None:
        return self._objects.get((kind, name))

    def parsed(self, kind: str, name: str, parse: Callable[[Object], Found]) -> Found | None:
        """What an object says, read once however often it is asked for. Not to be changed."""
        obj, key = self.get(kind, name), (kind, name, parse)
        if obj is not None and key not in self._parsed:
            self._parsed[key] = parse(obj)
        return self._parsed.get(key)

    def of(self, kind: str) -> list[Object]:
        """All of a kind, by name."""
        return [obj for (k, _), obj in sorted(self._objects.items()) if k == kind]

    def __iter__(self) -> Iterator[Object]:
        return iter(self._objects.values())

    def owned_by(self, uid: str) -> "Children":
        """Those whose controller has this uid."""
        return Children(obj for obj in self if (controller_of(obj) or {}).get("uid") == uid)

    def including(self, more: Iterable[Object]) -> "Children":
        return Children([*self, *more])


@dataclass(frozen=True)
class Event:
    """A Kubernetes Event about the object that is reconciled: what changed, for people."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True)
class Delete:
    """An object to delete, and the uid that it must still have (a live read, not a memory)."""

    ref: Ref
    uid: str

    @classmethod
    def of(cls, obj: Object) -> "Delete":
        return cls(Ref.of(obj), obj["metadata"]["uid"])


def leaving(obj: Object) -> bool:
    """Whether it is being deleted already."""
    return bool(obj["metadata"].get("deletionTimestamp"))


@dataclass(frozen=True)
class Plan:
    """What to do next, in this order: first, apply, delete, tell, write the status.

    Every action is idempotent, so that a run killed between any two of them is completed by the
    next one.

    Attributes:
        first: the same as `apply`, of what the rest is a consequence: where one is refused, nothing
            else is done.
        apply: objects for server-side apply, complete with owner references and labels.
        delete: objects to delete, each bound to its uid.
        events: what changed since the status that was observed.
        status: the new status, or None where the object is gone.
        again_in: seconds until the next look even if nothing happens; None leaves it to the
            periodic resync.
    """

    first: tuple[Object, ...] = ()
    apply: tuple[Object, ...] = ()
    delete: tuple[Delete, ...] = ()
    events: tuple[Event, ...] = ()
    status: Status | None = None
    again_in: float | None = None


@dataclass(frozen=True)
class Defaults:
    """What the operator decides where a spec is silent.

    It goes into a revision when that is rendered and never again, so that a new default restarts
    no model.
    """

    llamacpp_image: str
    vllm_image: str
    gateway_image: str
    image_pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"
    cluster_domain: str = "cluster.local"
    #: Addresses of Prometheus that the operator may call.
    prometheus: tuple[str, ...] = ()


def owner(obj_kind: str, api_version: str, name: str, uid: str) -> list[Object]:
    """The owner references of a child. Set by hand: kopf.adopt copies labels, and Argo CD prunes
    what carries its own."""
    return [
        {
            "apiVersion": api_version,
            "kind": obj_kind,
            "name": name,
            "uid": uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]


def controller_of(obj: Object) -> Object | None:
    """The owner reference of the object's controller, where it has one."""
    return next(
        (ref for ref in obj["metadata"].get("ownerReferences", []) if ref.get("controller")), None
    )


@dataclass(frozen=True)
class Conflicts:
    """Children that the plan wants and somebody else controls."""

    foreign: tuple[str, ...] = ()
    leaving: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.foreign or self.leaving)

    def __add__(self, other: "Conflicts") -> "Conflicts":
        return Conflicts(self.foreign + other.foreign, self.leaving + other.leaving)


def split_conflicts(
    desired: Iterable[Object], live: Children, uid: str
) -> tuple[list[Object], Conflicts]:
    """The objects that are ours to apply, and those that are not.

    A child is ours when it does not exist yet or when its controller is the object with this uid.
    One left by an earlier object of the same name is on its way out (``leaving``); one of anybody
    else is a conflict for a person (``foreign``), never forced.
    """
    ours: list[Object] = []
    foreign: list[str] = []
    leaving: list[str] = []
    for obj in desired:
        found = live.get(obj["kind"], obj["metadata"]["name"])
        if found is None:
            ours.append(obj)
            continue
        holder = controller_of(found)
        mine = controller_of(obj)
        label = f"{obj['kind']} {obj['metadata']['name']}"
        if holder is None:
            foreign.append(label)
        elif holder["uid"] == uid:
            (leaving.append(label) if _terminating(found) else ours.append(obj))
        elif mine and (holder["kind"], holder["name"]) == (mine["kind"], mine["name"]):
            leaving.append(label)
        else:
            foreign.append(f"{label} (of {holder['kind']} {holder['name']})")
    return ours, Conflicts(tuple(foreign), tuple(leaving))


def split_groups(
    groups: Iterable[Iterable[Object]], live: Children, uid: str
) -> tuple[list[Object], Conflicts]:
    """`split_conflicts` for objects that stand or fall together: of a group with a conflict none
    is applied."""
    apply: list[Object] = []
    conflicts = Conflicts()
    for group in groups:
        ours, found = split_conflicts(group, live, uid)
        if not found:
            apply += ours
        conflicts += found
    return apply, conflicts


def _terminating(obj: Object) -> bool:
    return bool(obj["metadata"].get("deletionTimestamp"))
