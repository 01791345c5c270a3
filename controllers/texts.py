"""Texts that a spec names in ConfigMaps: found, or a sentence about what is missing."""

from collections.abc import Mapping
from dataclasses import dataclass

from controllers.conditions import Verdict
from controllers.plan import Object
from crds.common import ConfigMapRef


@dataclass(frozen=True)
class MissingTextError(Exception):
    """A text that is not there yet."""

    reason: str
    message: str

    def verdict(self) -> Verdict:
        return Verdict(False, self.reason, self.message, reconciling=True)


def text(ref: ConfigMapRef, field: str, config_maps: Mapping[str, Object]) -> str:
    """The text behind a reference.

    Args:
        ref: the reference.
        field: where it stands in the spec, for the message.
        config_maps: live ConfigMaps by name.

    Raises:
        MissingTextError: the ConfigMap or its key is not there.
    """
    data = texts(ref.name, field, config_maps)
    keys = ", ".join(sorted(data)) or "none"
    if ref.key is None:
        if len(data) == 1:
            return next(iter(data.values()))
        raise MissingTextError(
            "ConfigMapKeyNotFound",
            f"{field} names ConfigMap {ref.name} without a key, and it has {len(data)} ({keys}); "
            "set key",
        )
    if ref.key not in data:
        raise MissingTextError(
            "ConfigMapKeyNotFound",
            f"{field} names key {ref.key} of ConfigMap {ref.name}, which has {keys}; correct the "
            "key or add it",
        )
    return data[ref.key]


def texts(name: str, field: str, config_maps: Mapping[str, Object]) -> dict[str, str]:
    """Every text of a ConfigMap, by key.

    Raises:
        MissingTextError: the ConfigMap is not there.
    """
    found = config_maps.get(name)
    if found is None:
        raise MissingTextError(
            "ConfigMapNotFound",
            f"{field} names ConfigMap {name}, which is not there; create it and this goes on by "
            "itself",
        )
    return dict(found.get("data") or {})
