"""Which value a tunable has for whom. Pure: the same config, name and target give the same answer
on every replica and after every restart, so nothing is stored."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from crds.config import WorldConfig
from crds.tunables import Value

#: The variant of everybody to whom no other is assigned.
DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Target:
    """For whom: a session's or a player's id, and what the game says of them."""

    key: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A value, and how it came about, in OpenFeature's words."""

    name: str
    value: Value
    variant: str
    #: STATIC: everybody gets it.
    reason: Literal["STATIC"]


class UnknownTunableError(Exception):
    """The World has no tunable of that name."""


class Catalogue:
    """The tunables of a configuration, with their texts read once."""

    def __init__(self, config: WorldConfig) -> None:
        self.config = config
        tunables = sorted(config.tunables, key=lambda tunable: tunable.name)
        self._values = {tunable.name: tunable.value for tunable in tunables}

    def evaluate(self, name: str, target: Target) -> Evaluation:
        """The value of one tunable. What everybody gets is the last of the rules, and as yet the
        only one: who the target is makes no difference.

        Raises:
            UnknownTunableError: there is none of that name.
        """
        try:
            value = self._values[name]
        except KeyError:
            raise UnknownTunableError(name) from None
        return Evaluation(name, value, DEFAULT, "STATIC")

    def evaluate_all(self, target: Target) -> Iterator[Evaluation]:
        """Every tunable, by name."""
        for name in self._values:
            yield self.evaluate(name, target)
