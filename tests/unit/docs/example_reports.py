"""``python -m tests.unit.docs.example_reports``: the pages that the documentation shows.

Sessions are made up; everything else is what the operator and `fabula rollout report` do: the
planner decides look by look, and the page is drawn from the objects that it leaves.
"""

import random
from datetime import UTC, timedelta
from pathlib import Path

from cli import report
from cli.picture import Story, render
from cli.picture.figures import times
from tests.unit.controllers.builders import llamacpp, world
from tests.unit.controllers.ensemble.rollout.test_analysis import Gateway
from tests.unit.controllers.ensemble.rollout.test_rollout import Stage

PAGES = Path(__file__).parents[3] / "docs" / "examples"
STEPS = [
    {"trafficPercent": 5, "pauseMinutes": 60},
    {"trafficPercent": 20, "waitFor": "Person"},
    {"trafficPercent": 50, "pauseMinutes": 240},
]
GUARDRAILS = [
    {"metric": "member-errors"},
    {"metric": "member-slow", "marginPoints": "5"},
    {"metric": "quit-early", "marginPoints": "5"},
    {"metric": "gold-earned", "marginPoints": "2"},
]
#: Sessions that begin in a minute, and minutes between two looks.
A_MINUTE, APART = 30, 5


def equal() -> Story:
    """A canary that is as good, promoted; a person looks at 20 %."""
    stage, play = _begun(seed=7)
    _until(stage, play, "Paused")
    for _ in range(9):
        play(0.01)
    stage.ask("Resume")
    _until(stage, play, "Promoted")
    return _story(stage)


def harmful() -> Story:
    """A canary whose answers are empty in 5 % of sessions, found at its first step or the next."""
    stage, play = _begun(seed=11)
    _until(stage, play, "Aborted", errors=0.06)
    return _story(stage)


EXAMPLES = {"rollout-promoted.html": equal, "rollout-sent-back.html": harmful}


def written(story: Story) -> str:
    """The page, dated by what it tells last."""
    return render(story, max(times(story.history)), UTC, "fabula rollout report narrators")


class _Play:
    """Sessions in both arms until the next look."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self.stage, self.gateway, self.chance = stage, Gateway(), random.Random(seed)

    def __call__(self, errors: float) -> None:
        chance = self.chance
        mean = A_MINUTE * APART * self.stage.status.traffic_percent / 100
        pairs = max(0, round(chance.gauss(mean, mean**0.5)))

        def slow(_: str) -> float:
            return min(1.0, chance.expovariate(40))

        def quits(_: str) -> float:
            return float(chance.random() < 0.12)

        def gold(_: str) -> float:
            return min(500.0, max(0.0, chance.gauss(210, 40)))

        metrics = {"member-slow": slow, "quit-early": quits, "gold-earned": gold}
        self.stage.observed = (
            self.gateway.play(self.stage, pairs, canary=errors, baseline=0.01, **metrics),
        )
        self.stage.now += timedelta(minutes=APART)
        self.stage.look(1)


def _begun(seed: int) -> tuple[Stage, _Play]:
    stage = Stage(llamacpp("chronicler"), llamacpp("jester"), steps=STEPS)
    stage.world = world(
        metrics=[
            {"name": "quit-early", "direction": "LowerIsBetter"},
            {"name": "gold-earned", "direction": "HigherIsBetter", "low": "0", "high": "500"},
        ]
    )
    assert stage.rollout is not None
    stage.rollout |= {"guardrails": GUARDRAILS, "analysis": {"slowAboveMilliseconds": 4000}}
    stage.edit(llamacpp("chronicler", role="You tell it briefly."), llamacpp("jester"))
    return stage, _Play(stage, seed)


def _until(stage: Stage, play: _Play, phase: str, errors: float = 0.01) -> None:
    for _ in range(200):
        if stage.phase == phase:
            return
        play(errors)
        if stage.phase == "Paused" != phase:
            stage.ask("Resume")
    raise AssertionError(f"never {phase}: {stage.status.message}")


def _story(stage: Stage) -> Story:
    ensemble = {
        "metadata": {"name": "narrators", "namespace": "emberfall"},
        "spec": {"members": stage.members, "rollout": stage.rollout},
        "status": stage.state.dump(),
    }
    return report.of_rollout(ensemble, stage.children.get("ConfigMap", "narrators-analysis"))


def main() -> None:
    PAGES.mkdir(exist_ok=True)
    for name, tell in EXAMPLES.items():
        (PAGES / name).write_text(written(tell()), encoding="utf-8")


if __name__ == "__main__":
    main()
