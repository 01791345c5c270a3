"""Which value a tunable has for whom. Pure: the same config, name and target give the same answer
on every replica and after every restart, so nothing is stored."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from crds.config import WorldConfig
from crds.tunables import Value, value_of
from runtime.arms import arms_of

#: The variant of everybody to whom no other is assigned.
DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Target:
    """For whom: the id of a session, and what the game says of it."""

    key: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A value, and how it came about, in OpenFeature's words."""

    name: str
    value: Value
    variant: str
    #: STATIC: everybody gets it. SPLIT: it is that of the session's arm. DEFAULT: others get
    #: another, and the session is in no arm.
    reason: Literal["STATIC", "SPLIT", "DEFAULT"]


class UnknownTunableError(Exception):
    """The World has no tunable of that name."""


class Catalogue:
    """The tunables of a configuration, with their texts read once."""

    def __init__(self, config: WorldConfig) -> None:
        self.config = config
        tunables = sorted(config.tunables, key=lambda tunable: tunable.name)
        self._values = {tunable.name: tunable.value for tunable in tunables}
        #: By tunable: what it is in the canaries of experiments, by salt. The operator sees to it
        #: that one experiment at a time has a tunable.
        self._tried: dict[str, dict[str, Value]] = {
            tunable.name: {
                trial.salt: value_of(tunable.type, trial.tunables[tunable.name])
                for trial in config.trials
                if tunable.name in trial.tunables
            }
            for tunable in tunables
        }

    def evaluate(self, name: str, target: Target) -> Evaluation:
        """The value of one tunable: that of the experiment in whose canary the session is, by its
        id, or what everybody else gets.

        Raises:
            UnknownTunableError: there is none of that name.
        """
        try:
            value, tried = self._values[name], self._tried[name]
        except KeyError:
            raise UnknownTunableError(name) from None
        if not tried:
            return Evaluation(name, value, DEFAULT, "STATIC")
        for trial, arm in arms_of(target.key, self.config.trials):
            if trial.salt in tried:
                given = tried[trial.salt] if arm == "Canary" else value
                return Evaluation(name, given, arm.lower(), "SPLIT")
        return Evaluation(name, value, DEFAULT, "DEFAULT")

    def evaluate_all(self, target: Target) -> Iterator[Evaluation]:
        """Every tunable, by name."""
        for name in self._values:
            yield self.evaluate(name, target)
