"""What the observers share: live reads of references, children and pods."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeVar

from controllers.plan import Children, Object, Ref
from crds import API_VERSION, InvalidObjectError, Kind

K = TypeVar("K", bound=Kind)

#: Says what an object refers to, before the references are read, so that no change is missed.
Remember = Callable[[Iterable[Ref]], None]
RBAC = "rbac.authorization.k8s.io/v1"
MANAGED_BY = {"app.kubernetes.io/managed-by": "fabula"}


class Reader(Protocol):
    """Live reads."""

    async def get(self, ref: Ref) -> Object | None: ...

    async def list_all(
        self,
        api_version: str,
        kind: str,
        namespace: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> list[Object]: ...


def parse(kind: type[K], raw: Object) -> K:
    """Read one of our objects. A status that this version does not understand is as none, so that
    it is written anew.

    Raises:
        InvalidObjectError: the spec is not what this version expects.
    """
    try:
        return kind.parse(raw)
    except InvalidObjectError:
        return kind.parse({key: value for key, value in raw.items() if key != "status"})


async def referred(reader: Reader, kind: type[K], namespace: str, name: str | None) -> K | None:
    """Another of our objects. One that cannot be read is as absent; its own status says why."""
    if name is None:
        return None
    raw = await reader.get(Ref(API_VERSION, kind.names.kind, namespace, name))
    return _readable(kind, raw) if raw else None


async def all_of(reader: Reader, kind: type[K], namespace: str) -> list[K]:
    """Every object of one of our kinds in a namespace that can be read."""
    raw = await reader.list_all(API_VERSION, kind.names.kind, namespace)
    return [found for item in raw if (found := _readable(kind, item))]


def _readable(kind: type[K], raw: Object) -> K | None:
    try:
        return parse(kind, raw)
    except InvalidObjectError:
        return None


async def config_maps(reader: Reader, refs: Iterable[Ref]) -> dict[str, Object]:
    """The ConfigMaps among these, by name; a missing one is absent."""
    wanted = sorted(ref for ref in refs if ref.kind == "ConfigMap")
    found = await together(*(reader.get(ref) for ref in wanted))
    return {ref.name: obj for ref, obj in zip(wanted, found, strict=True) if obj}


async def children(
    reader: Reader, kinds: Iterable[tuple[str, str]], namespace: str, label: Mapping[str, str]
) -> Children:
    """Live objects of these kinds that carry our labels."""
    labels = {**MANAGED_BY, **label}
    lists = await together(
        *(reader.list_all(version, kind, namespace, labels) for version, kind in kinds)
    )
    return Children(obj for found in lists for obj in found)


async def together(*reads: Any) -> list[Any]:
    """Await all; if one fails, cancel the others and raise what it raised."""
    tasks = [asyncio.ensure_future(read) for read in reads]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
