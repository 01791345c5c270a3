"""An API server in memory, with as much of server-side apply as the operator leans on."""

import copy
import itertools
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import orjson

from controllers.plan import Object, Ref
from operators.errors import (
    AlreadyExistsError,
    ApiError,
    ConflictError,
    NotFoundError,
    UnavailableError,
)
from operators.kube import Allowance

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


T = TypeVar("T")


def copied(value: T) -> T:
    """What comes out at the other end of a connection: nothing but JSON, and nobody else's."""
    came: T = orjson.loads(orjson.dumps(value))
    return came


class FakeApi:
    """Objects by reference. `writes` lists every write that was carried out; `refuse` may raise for
    a verb and reference; `cut` makes every request fail as if the network were gone."""

    def __init__(self) -> None:
        self.objects: dict[Ref, Object] = {}
        self.writes: list[str] = []
        self.requests: list[str] = []
        self.cut = False
        self.refuse: Callable[[str, Ref], ApiError | None] = lambda verb, ref: None
        self._owned: dict[tuple[Ref, str], Object] = {}
        self._numbers = itertools.count(1)

    def __deepcopy__(self, memo: Any) -> "FakeApi":
        """As it stands, with nothing in common."""
        other = FakeApi()
        other.objects = {ref: copied(obj) for ref, obj in self.objects.items()}
        other.writes, other.requests = self.writes.copy(), self.requests.copy()
        other.cut, other.refuse = self.cut, self.refuse
        other._owned = {place: copied(obj) for place, obj in self._owned.items()}
        other._numbers = copy.copy(self._numbers)
        return other

    def put(self, obj: Object) -> Object:
        """Create or replace as somebody else would."""
        ref = Ref.of(obj)
        old = self.objects.get(ref)
        new = copied(obj)
        meta = new["metadata"]
        meta.setdefault("uid", old["metadata"]["uid"] if old else f"uid-{next(self._numbers)}")
        generation = old["metadata"]["generation"] + 1 if old else 1
        meta.setdefault("generation", generation)
        meta["resourceVersion"] = str(next(self._numbers))
        if old and "status" in old:
            new.setdefault("status", old["status"])
        self.objects[ref] = new
        return new

    def drop(self, ref: Ref) -> None:
        """Delete as somebody else would."""
        del self.objects[ref]

    def dump(self) -> dict[str, Object]:
        """The end state but for Events, without what differs from run to run."""
        out = {}
        for ref, obj in sorted(self.objects.items()):
            if ref.kind == "Event":
                continue
            plain = copied(obj)
            plain["metadata"].pop("resourceVersion")
            out[f"{ref}"] = plain
        return out

    def of(self, kind: str) -> list[Object]:
        return [self.objects[ref] for ref in sorted(r for r in self.objects if r.kind == kind)]

    async def get(self, ref: Ref) -> Object | None:
        self._request("get", ref)
        found = self.objects.get(ref)
        return copied(found) if found else None

    async def list_all(
        self,
        api_version: str,
        kind: str,
        namespace: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> list[Object]:
        self._request("list", Ref(api_version, kind, namespace or "", ""))
        found = [
            ref
            for ref, obj in self.objects.items()
            if (ref.api_version, ref.kind) == (api_version, kind)
            and namespace in (None, ref.namespace)
            and (labels or {}).items() <= obj["metadata"].get("labels", {}).items()
        ]
        return [copied(self.objects[ref]) for ref in sorted(found)]

    async def apply(
        self, obj: Object, *, subresource: str = "", allowance: Allowance | None = None
    ) -> Object:
        ref = Ref.of(obj)
        self._write(f"apply {subresource}".strip(), ref, allowance)
        live = self.objects.get(ref)
        uid = obj["metadata"].get("uid")
        if live is None and subresource:
            raise NotFoundError(f"apply {ref}", "not found", 404)
        if uid and (live is None or live["metadata"]["uid"] != uid):
            raise ConflictError(f"apply {ref}", "the UID does not match", 409)
        new = copied(live) if live else {"metadata": {}}
        _merge(new, obj, self._owned.get((ref, subresource), {}))
        self._owned[ref, subresource] = copied(obj)
        meta = new["metadata"]
        meta.setdefault("uid", f"uid-{ref.kind}-{ref.name}")
        meta.setdefault("generation", 1)
        if new != live:
            meta["resourceVersion"] = str(next(self._numbers))
            if live and not subresource and _spec(new) != _spec(live):
                meta["generation"] += 1
        self.objects[ref] = new
        return copied(new)

    async def create(self, obj: Object, *, allowance: Allowance | None = None) -> Object:
        ref = Ref.of(obj)
        self._write("create", ref, allowance)
        if ref in self.objects:
            self.writes.pop()
            raise AlreadyExistsError(f"create {ref}", "already exists", 409)
        return copied(self.put(obj))

    async def replace(self, obj: Object, *, allowance: Allowance | None = None) -> Object:
        ref = Ref.of(obj)
        self._write("update", ref, allowance)
        live = self.objects.get(ref)
        if live is None:
            raise NotFoundError(f"update {ref}", "not found", 404)
        if obj["metadata"]["resourceVersion"] != live["metadata"]["resourceVersion"]:
            raise ConflictError(f"update {ref}", "the object has been modified", 409)
        return copied(self.put(obj))

    async def merge_patch(
        self, ref: Ref, body: Object, *, allowance: Allowance | None = None
    ) -> Object:
        self._write("patch", ref, allowance)
        live = self.objects.get(ref)
        if live is None:
            raise NotFoundError(f"patch {ref}", "not found", 404)
        if not body:
            self.writes.pop()
            return copied(live)
        _merge(live, body, {})
        return copied(self.put(live))

    async def delete(self, ref: Ref, uid: str, *, allowance: Allowance | None = None) -> None:
        self._write("delete", ref, allowance)
        live = self.objects.get(ref)
        if live is None:
            raise NotFoundError(f"delete {ref}", "not found", 404)
        if live["metadata"]["uid"] != uid:
            raise ConflictError(f"delete {ref}", "the UID does not match", 409)
        del self.objects[ref]

    def _request(self, verb: str, ref: Ref) -> None:
        if self.cut:
            raise UnavailableError(f"{verb} {ref}", "no route to host")
        if error := self.refuse(verb, ref):
            raise error
        self.requests.append(f"{verb} {ref}")

    def _write(self, verb: str, ref: Ref, allowance: Allowance | None) -> None:
        if allowance:
            allowance()
        self._request(verb, ref)
        self.writes.append(f"{verb} {ref}")


def _merge(into: Object, new: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    """Lay `new` over `into`, and take away what was in `before` and no longer is."""
    for key in before.keys() - new.keys() - {"uid"}:
        into.pop(key, None)
    for key, value in new.items():
        if isinstance(value, dict):
            old = before.get(key)
            inside = into.setdefault(key, {})
            _merge(inside, value, old if isinstance(old, dict) else {})
        else:
            into[key] = copied(value)


def _spec(obj: Object) -> Object:
    return {key: value for key, value in obj.items() if key not in {"metadata", "status"}}


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def half() -> float:
    """Chance that is none."""
    return 0.5
