"""Whether a live object already says what we would apply, so that an idle world is not written.

The API server fills in defaults and may write a quantity or a list another way; what we do not say
is not ours to compare. What we *stopped* saying is found by the digest in an annotation, which
`controllers.stamp` puts there.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from kubernetes.utils.quantity import parse_quantity

from controllers.plan import Object

#: Keys that tell the items of a list apart, by the name of the list. Other lists go by position.
MERGE_KEYS: Mapping[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "volumes": ("name",),
    "env": ("name",),
    "volumeMounts": ("mountPath",),
    "ports": ("containerPort", "port", "protocol"),
    "imagePullSecrets": ("name",),
    "ownerReferences": ("uid",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
}
#: Where quantities stand: maps of them, and single ones.
QUANTITY_MAPS = {"requests", "limits", "capacity"}
QUANTITIES = {"sizeLimit", "storage"}


def stands(desired: Object, live: Object) -> bool:
    """Whether everything that a stamped object says holds in the live one."""
    return difference(desired, live) is None


def difference(desired: Object, live: Object) -> str | None:
    """The first field of `desired` that does not hold in `live`, as a path; None if all do."""
    return _compare(desired, live, "")


def _compare(desired: Any, live: Any, name: str) -> str | None:
    """The path from here; ``name`` is that of the field, or of the map of quantities it is in."""
    if isinstance(desired, dict) and isinstance(live, dict):
        for key, value in desired.items():
            other = live.get(key)
            if type(value) is str and value == other:  # as most are
                continue
            if (found := _compare(value, other, _context(key, name))) is not None:
                return f".{key}{found}"
        return None
    if isinstance(desired, list) and isinstance(live, list):
        return _compare_lists(desired, live, name)
    if desired == live and isinstance(desired, bool) == isinstance(live, bool):
        return None
    # The API server drops what is empty.
    if live is None and desired in (None, "", 0, False, {}, []):
        return None
    if name in QUANTITY_MAPS | QUANTITIES and _same_quantity(desired, live):
        return None
    return ""


def _context(key: str, parent: str) -> str:
    """The name that rules go by: of the map of quantities rather than of the entry in it."""
    return parent if parent in QUANTITY_MAPS else key


def _compare_lists(desired: list[Any], live: list[Any], name: str) -> str | None:
    keys = MERGE_KEYS.get(name)
    if keys and all(isinstance(item, dict) for item in [*desired, *live]):
        for item in desired:
            identity = {key: item[key] for key in keys if key in item}
            match = next((other for other in live if identity.items() <= other.items()), None)
            found = "" if match is None else _compare(item, match, "")
            if found is not None:
                return f"[{','.join(str(value) for value in identity.values())}]{found}"
        return None
    if len(desired) != len(live):
        return ""
    for place, (item, other) in enumerate(zip(desired, live, strict=True)):
        if (found := _compare(item, other, "")) is not None:
            return f"[{place}]{found}"
    return None


def _same_quantity(desired: Any, live: Any) -> bool:
    try:
        ours: Decimal = parse_quantity(desired)
        return bool(ours == parse_quantity(live))
    except ValueError:
        return False
