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
    found = config_maps.get(ref.name)
    if found is None:
        raise MissingTextError(
            "ConfigMapNotFound",
            f"{field} names ConfigMap {ref.name}, which is not there; create it and this goes on "
            "by itself",
        )
    data: dict[str, str] = found.get("data") or {}
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
