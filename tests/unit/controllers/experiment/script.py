"""An experiment played from a script: what gateways saw goes in, look by look, and the status and
the checkpoint of one look are those that the next one finds."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from controllers import world as worlds
from controllers.experiment import plan
from controllers.observed import ExperimentObserved, WorldObserved
from controllers.plan import Children, Object, Plan
from crds import EvolutionExperiment, Storyteller, World
from crds.experiment import EvolutionExperimentStatus
from crds.observations import Observation, Observations
from tests.unit.controllers.builders import DEFAULTS, NOW, live

GOLD: Object = {
    "name": "quest-gold",
    "type": "Integer",
    "default": "120",
    "bounds": {"min": "50", "max": "300", "maxStep": "20"},
}
ASH: Object = {"name": "ash-fall", "type": "Number", "default": "0.25"}
HOUR: Object = {"name": "hour", "type": "String", "default": "dusk", "oneOf": ["dusk", "dawn"]}
JOY: Object = {"name": "joy", "direction": "HigherIsBetter"}
QUIT: Object = {"name": "quit", "direction": "LowerIsBetter"}
WORLD: Object = {"tunables": [GOLD, ASH, HOUR], "metrics": [JOY, QUIT]}
CREATED = "2026-11-20T00:00:00Z"

#: What a session comes to: its number, and whether it is the canary's.
Outcome = Callable[[int, bool], dict[str, float]]


def world(status: Object | None = None, **spec: Any) -> World:
    metadata = {"name": "ember", "namespace": "play", "uid": "w-1", "generation": 1}
    return World.parse({"metadata": metadata, "spec": WORLD | spec, "status": status or {}})


def experiment(
    name: str = "richer", status: Object | None = None, created: str = CREATED, **spec: Any
) -> EvolutionExperiment:
    metadata = {"name": name, "namespace": "play", "uid": f"ee-{name}", "generation": 1}
    said = {
        "worldRef": "ember",
        "hypothesis": "More gold, more joy.",
        "changes": [{"tunable": {"name": "quest-gold", "value": "140"}}],
        "objective": {"metric": "joy", "minimumEffectPoints": "10"},
        "guardrails": [{"metric": "quit", "marginPoints": "20"}],
        "canary": {"steps": [5, 50], "stepMinutes": 60},
        **spec,
    }
    return EvolutionExperiment.parse(
        {
            "metadata": metadata | {"creationTimestamp": created},
            "spec": said,
            "status": status or {},
        }
    )


def better(number: int, canary: bool) -> dict[str, float]:
    """Nine of ten are glad with the change, and half without; nobody quits."""
    return {"joy": float(number % 10 != 0 if canary else number % 2), "quit": 0.0}


def worse(number: int, canary: bool) -> dict[str, float]:
    """Half of those quit who have the change."""
    return {"joy": float(number % 2), "quit": float(canary and number % 2)}


def equal(number: int, canary: bool) -> dict[str, float]:
    """It makes no difference."""
    return {"joy": float(number % 2), "quit": 0.0}


@dataclass
class Script:
    """One experiment, its World, and what became of them."""

    experiment: EvolutionExperiment = field(default_factory=experiment)
    world: World | None = field(default_factory=world)
    others: tuple[EvolutionExperiment, ...] = ()
    storytellers: tuple[str, ...] = ("bard",)
    #: The one whose templates are changed, if so, and the texts that are there.
    teller: Storyteller | None = None
    config_maps: dict[str, Object] = field(default_factory=dict)
    now: datetime = NOW
    children: Children = field(default_factory=Children)
    plan: Plan = field(default_factory=Plan)
    pairs: int = 0
    asked: int = 0
    _entries: list[Observation] = field(default_factory=list)
    _salt: str = ""

    @property
    def status(self) -> EvolutionExperimentStatus:
        return self.experiment.status

    @property
    def observed(self) -> ExperimentObserved:
        told = Observations(
            log="bard-gateway-0",
            rollout=self._salt,
            observations=list(self._entries),
            through=max(0, len(self._entries) - 1),
            more=False,
        )
        return ExperimentObserved(
            experiment=self.experiment,
            world=self.world,
            experiments=(self.experiment, *self.others),
            storytellers=self.storytellers,
            teller=self.teller,
            config_maps=self.config_maps,
            children=self.children,
            observations=(told,),
        )

    def look(self, minutes: float = 0) -> EvolutionExperimentStatus:
        """Let time pass, and look once."""
        self.now += timedelta(minutes=minutes)
        self.plan = plan(self.observed, self.now)
        self.children = live(self.plan, self.children)
        assert isinstance(self.plan.status, EvolutionExperimentStatus)
        self.experiment = self.experiment.model_copy(update={"status": self.plan.status})
        return self.status

    def play(self, outcome: Outcome, pairs: int) -> None:
        """So many sessions more in each arm."""
        if self._salt != self.status.salt:
            self._salt, self._entries = self.status.salt or "", []
        for number in range(self.pairs, self.pairs + pairs):
            for canary in (True, False):
                at = len(self._entries)
                arm: Any = "Canary" if canary else "Baseline"
                values = outcome(number, canary)
                self._entries += [
                    Observation(sequence=at, kind="Assigned", arm=arm),
                    Observation(sequence=at + 1, kind="Outcome", arm=arm, values=values),
                ]
        self.pairs += pairs

    def ask(self, action: str) -> tuple[str, str]:
        """As a person does; what is answered."""
        self.asked += 1
        raw = self.status.dump() | {"request": {"action": action, "id": f"request-{self.asked}"}}
        status = EvolutionExperimentStatus.model_validate(raw, by_alias=True, by_name=False)
        self.experiment = self.experiment.model_copy(update={"status": status})
        answer = self.look().last_request
        assert answer is not None
        assert answer.action == action
        return answer.outcome, answer.message

    def look_at_the_world(self) -> Plan:
        """Let the World take over what it is asked to."""
        assert self.world is not None
        seen = WorldObserved(self.world, DEFAULTS, experiments=(self.experiment, *self.others))
        found = worlds.plan(seen, self.now)
        self.world = self.world.model_copy(update={"status": found.status})
        return found

    def edit_world(self, **tunable: Any) -> None:
        """A person edits quest-gold."""
        assert self.world is not None
        gold = copy.deepcopy(GOLD) | tunable
        self.world = world(self.world.status.dump(), tunables=[gold, ASH, HOUR])


def running(name: str = "richer", inside: World | None = None, **spec: Any) -> Script:
    """One that is in its first step."""
    script = Script(experiment(name, **spec), inside or world())
    assert script.look().phase == "Running"
    return script


def proven(name: str = "richer", inside: World | None = None, **spec: Any) -> Script:
    """One that is better, after its last step."""
    script = running(name, inside, **spec)
    script.look(61)
    script.play(better, 200)
    script.look(61)
    return script
