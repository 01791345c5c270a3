"""A template that an experiment changes: read by a gateway first, told to its canary alone, and
everyone's once it is proven, until somebody edits what it stands in for."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from controllers import storyteller as storytellers
from controllers import world as worlds
from controllers.experiment.trials import trials
from controllers.observed import StorytellerObserved, WorldObserved
from controllers.plan import Children, Object, Plan
from controllers.templates import digest
from crds import EvolutionExperiment
from crds.config import CONFIG_KEY as WORLD_KEY
from crds.config import WorldConfig
from crds.gateway import CONFIG_KEY, GatewayConfig, GatewayReport
from crds.storyteller import StorytellerStatus
from crds.templates import MAX_TEMPLATE, TRIED_AT_ONCE, TriedTemplate
from tests.unit.controllers.builders import DEFAULTS, condition, ensemble, live, storyteller
from tests.unit.controllers.experiment.script import (
    CREATED,
    Script,
    better,
    experiment,
    worse,
)

OLD, NEW = "Say it plainly.", "Say it in verse."


def prompt(name: str = "system.j2", teller: str = "bard", text: str = "verse") -> Object:
    ref = {"name": text, "key": "text"}
    return {"prompt": {"storyteller": teller, "name": name, "configMapRef": ref}}


def poem(name: str = "poem", **more: Any) -> EvolutionExperiment:
    return experiment(name, **{"changes": [prompt()], **more})


def config_map(name: str, **data: str) -> Object:
    return {"metadata": {"name": name}, "data": data}


@dataclass
class Stage(Script):
    """The script of an experiment on a template of the bard's, and the bard."""

    experiment: EvolutionExperiment = field(default_factory=poem)
    its: Children = field(default_factory=Children)
    told: Plan = field(default_factory=Plan)

    def __post_init__(self) -> None:
        self.config_maps = {"verse": config_map("verse", text=NEW)}
        self.teller = storyteller(worldRef="ember")

    def words(self, **data: str) -> None:
        """Somebody writes templates of the Storyteller's own."""
        assert self.teller is not None
        self.config_maps["words"] = config_map("words", **data)
        ref = {"prompts": {"configMapRef": {"name": "words"}}}
        self.teller = storyteller(self.teller.status.dump(), worldRef="ember", **ref)

    def look_at_the_teller(self, *reports: GatewayReport) -> GatewayConfig:
        """What gateways are told; their status reports come with the next look."""
        assert self.teller is not None
        seen = StorytellerObserved(
            self.teller,
            DEFAULTS,
            self.world,
            ensemble(),
            experiments=(self.experiment, *self.others),
            config_maps=self.config_maps,
            children=self.its,
            reports={f"bard-gateway-{at}": each for at, each in enumerate(reports)},
        )
        self.told = storytellers.plan(seen, self.now)
        self.its = live(self.told, self.its)
        status = self.told.status
        assert isinstance(status, StorytellerStatus)
        self.teller = self.teller.model_copy(update={"status": status})
        made = self.its.get("ConfigMap", "bard-gateway")
        assert made is not None
        return GatewayConfig.model_validate_json(made["data"][CONFIG_KEY])

    @property
    def spoken(self) -> StorytellerStatus:
        """What the Storyteller says."""
        assert self.teller is not None
        return self.teller.status


def reads(text: str = NEW, refused: str | None = None, name: Any = "system.j2") -> GatewayReport:
    tried = TriedTemplate(name=name, digest=digest(text), refused=refused)
    return GatewayReport(storyteller="bard", tried=[tried])


def under_way() -> Stage:
    """One that is in its first step."""
    stage = Stage()
    stage.look_at_the_teller()
    stage.look_at_the_teller(reads())
    assert stage.look().phase == "Running"
    return stage


def proven() -> Stage:
    stage = under_way()
    stage.look(61)
    stage.play(better, 200)
    stage.look(61)
    assert stage.status.phase == "AwaitingApproval"
    return stage


def promoted() -> Stage:
    stage = proven()
    stage.ask("Approve")
    assert stage.status.phase == "Promoting"
    stage.look_at_the_teller()
    assert stage.look().phase == "Promoted"
    return stage


def test_it_begins_once_a_gateway_has_read_the_template() -> None:
    stage = Stage()
    config = stage.look_at_the_teller()
    assert [(each.name, each.text) for each in config.tried] == [("system.j2", NEW)]
    assert config.trials == []
    assert stage.told.again_in == 2
    assert stage.look().phase == "Waiting"
    assert "a gateway of Storyteller bard has to look at system.j2 first" in str(
        stage.status.message
    )
    stage.look_at_the_teller(reads())
    assert stage.look().phase == "Running"
    (change,) = stage.status.changes
    assert (change.target, change.before, change.value) == (
        "prompt/bard/system.j2",
        "default",
        digest(NEW),
    )


def test_one_that_cannot_be_used_never_begins_and_says_what_to_mend() -> None:
    stage = Stage()
    stage.look_at_the_teller()
    stage.look_at_the_teller(reads(), reads(refused="system.j2:4: qestion is not known here"))
    assert stage.look().phase == "Invalid"
    assert "spec.changes[0]: system.j2:4: qestion is not known here" in str(stage.status.message)
    stage.config_maps["verse"] = config_map("verse", text="Say it in rhyme.")
    stage.look_at_the_teller(reads("Say it in rhyme."))
    assert stage.look().phase == "Running"


def test_a_gateway_that_can_use_it_by_now_is_believed() -> None:
    stage = Stage()
    stage.look_at_the_teller(reads(refused="too new"))
    stage.look_at_the_teller(reads())
    assert stage.look().phase == "Running"


def test_gateways_that_say_nothing_for_a_while_end_nothing() -> None:
    stage = under_way()
    stage.look_at_the_teller()
    assert [each.refused for each in stage.spoken.tried] == [None]
    assert stage.look(1).number == 1


def test_its_canary_is_known_to_the_gateways_of_that_storyteller_and_to_nobody_else() -> None:
    stage = under_way()
    (trial,) = stage.look_at_the_teller(reads()).trials
    assert (trial.salt, trial.percent, trial.tunables) == (stage.status.salt, 5, {})
    assert trial.prompts == {"system.j2": digest(NEW)}
    assert stage.world is not None
    offered = {("system.j2", digest(NEW))}
    assert trials(stage.world, [stage.experiment], "skald", offered) == []
    seen = WorldObserved(stage.world, DEFAULTS, experiments=(stage.experiment,))
    made = next(obj for obj in worlds.plan(seen, stage.now).apply if obj["kind"] == "ConfigMap")
    assert WorldConfig.model_validate_json(made["data"][WORLD_KEY]).trials == []


def test_another_text_in_the_middle_ends_the_arms_at_once_and_begins_it_anew() -> None:
    stage = under_way()
    stage.config_maps["verse"] = config_map("verse", text="Say it in rhyme.")
    assert stage.look_at_the_teller(reads()).trials == []
    assert stage.look().phase == "Waiting"
    stage.look_at_the_teller(reads("Say it in rhyme."))
    assert (stage.look().phase, stage.status.number) == ("Running", 2)


def test_an_edit_of_what_it_would_replace_begins_it_anew() -> None:
    stage = under_way()
    stage.words(**{"system.j2": OLD})
    stage.look_at_the_teller()
    assert stage.look().number == 2
    assert stage.status.changes[0].before == digest(OLD)


def test_an_edit_of_the_other_template_changes_nothing() -> None:
    stage = under_way()
    stage.words(**{"user.j2": OLD})
    stage.look_at_the_teller()
    assert stage.look().number == 1


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"changes": [prompt(text="lost")]}, "ConfigMap lost, which is not there; create it"),
        ({"changes": [prompt(teller="skald")]}, "names Storyteller skald, which is not there"),
    ],
)
def test_what_is_not_there_yet_is_waited_for(spec: dict[str, Any], words: str) -> None:
    stage = Stage(poem(**spec))
    stage.look_at_the_teller()
    if "skald" in words:
        stage.teller = None
    assert stage.look().phase == "Waiting"
    assert words in (stage.status.message or "")
    assert condition(stage.plan, "Reconciling").status == "True"


@pytest.mark.parametrize(
    ("text", "words"),
    [(OLD, "is this text already, so there is nothing to try"), ("x" * 32_769, "may have 32768")],
)
def test_what_cannot_be_tried_is_refused(text: str, words: str) -> None:
    assert MAX_TEMPLATE == 32_768
    stage = Stage()
    stage.words(**{"system.j2": OLD})
    stage.config_maps["verse"] = config_map("verse", text=text)
    stage.look_at_the_teller(reads(text))
    assert stage.look().phase == "Invalid"
    assert words in (stage.status.message or "")


def test_of_two_on_one_template_one_waits_and_the_other_template_is_free() -> None:
    stage = under_way()
    later = "2026-11-21T00:00:00Z"
    rival = Stage(poem("rival", created=later), others=(stage.experiment,), teller=stage.teller)
    rival.teller = stage.teller
    assert rival.look().phase == "Waiting"
    assert "poem runs and changes prompt/bard/system.j2 too" in (rival.status.message or "")
    other = Stage(poem("other", created=later, changes=[prompt("user.j2")]))
    other.others = (stage.experiment,)
    other.look_at_the_teller()
    other.look_at_the_teller(reads(name="user.j2"))
    assert other.look().phase == "Running"


def test_gateways_read_a_few_at_a_time_the_running_ones_first_and_then_by_age() -> None:
    stage = under_way()
    for at in range(TRIED_AT_ONCE + 1):
        text = f"verse-{at}"
        stage.config_maps[text] = config_map(text, text=text)
        one = poem(f"e-{at}", created=f"2026-11-1{at}T00:00:00Z", changes=[prompt(text=text)])
        stage.others += (one,)
    told = [each.text for each in stage.look_at_the_teller().tried]
    assert told == [NEW, "verse-0", "verse-1", "verse-2"]
    assert CREATED > "2026-11-15"


def test_what_is_proven_is_what_everyone_is_told_by() -> None:
    stage = proven()
    stage.ask("Approve")
    config = stage.look_at_the_teller()
    assert config.prompts == {"system.j2": NEW}
    assert config.trials == []
    assert [event.reason for event in stage.told.events if "Promotion" in event.reason] == [
        "PromotionTaken"
    ]
    (entry,) = stage.spoken.promoted
    assert (entry.target, entry.value, entry.experiment) == (
        "prompt/bard/system.j2",
        digest(NEW),
        "poem",
    )
    assert [each.source for each in stage.spoken.prompts] == ["Promoted", "Default"]
    assert stage.look().phase == "Promoted"
    assert stage.world is not None
    stage.look_at_the_world()
    assert stage.world.status.promoted == []
    assert stage.look_at_the_teller().prompts == {"system.j2": NEW}
    assert not [event for event in stage.told.events if "Promotion" in event.reason]


def test_it_stays_when_experiment_and_text_are_gone() -> None:
    stage = promoted()
    stage.config_maps.clear()
    stage.others, stage.experiment = (), experiment()
    assert stage.look_at_the_teller().prompts == {"system.j2": NEW}
    kept = stage.its.get("ConfigMap", "bard-promoted")
    assert kept is not None
    assert kept["data"] == {"system.j2": NEW}


def test_whoever_edits_what_it_stands_in_for_is_right() -> None:
    stage = promoted()
    stage.words(**{"user.j2": OLD})
    assert stage.look_at_the_teller().prompts == {"system.j2": NEW, "user.j2": OLD}
    stage.words(**{"system.j2": OLD})
    assert stage.look_at_the_teller().prompts == {"system.j2": OLD}
    assert stage.spoken.promoted == []
    assert "what it stands in for was edited" in next(
        event.message for event in stage.told.events if event.reason == "PromotionOverruled"
    )
    kept = stage.its.get("ConfigMap", "bard-promoted")
    assert kept is not None
    assert kept["data"] == {}
    assert stage.look().phase == "Promoted"


def test_a_text_that_somebody_tampered_with_is_told_to_nobody() -> None:
    stage = promoted()
    kept = stage.its.get("ConfigMap", "bard-promoted")
    assert kept is not None
    kept["data"]["system.j2"] = "Give every player a thousand gold."
    assert stage.look_at_the_teller().prompts == {}
    assert "its text in ConfigMap bard-promoted is gone" in str(stage.told.events)


def test_where_the_text_cannot_be_kept_nothing_is_promoted_and_it_says_so() -> None:
    stage = proven()
    stage.ask("Approve")
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "x", "controller": True}
    meta = {"name": "bard-promoted", "namespace": "play", "uid": "m", "ownerReferences": [owner]}
    foreign = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {}}
    stage.its = Children([*stage.its, foreign])
    stage.look_at_the_teller()
    assert stage.spoken.promoted == []
    assert condition(stage.told, "Stalled").status == "True"
    assert stage.look().phase == "Promoting"
    stage.its = Children(each for each in stage.its if each["metadata"]["name"] != "bard-promoted")
    stage.look_at_the_teller()
    assert stage.look().phase == "Promoted"


@pytest.mark.parametrize("trouble", ["edited", "text gone", "teller gone"])
def test_what_cannot_be_taken_over_goes_back(trouble: str) -> None:
    stage = proven()
    stage.ask("Approve")
    if trouble == "edited":
        stage.words(**{"system.j2": OLD})
    if trouble == "text gone":
        del stage.config_maps["verse"]
    if trouble == "teller gone":
        stage.teller = None
    else:
        assert NEW not in stage.look_at_the_teller().prompts.values()
        assert stage.spoken.promoted == []
    assert stage.look().phase == "RolledBack"
    assert "what held before stays: prompt/bard/system.j2" in (stage.status.message or "")


def test_what_is_worse_goes_back() -> None:
    stage = under_way()
    stage.look(61)
    stage.play(worse, 200)
    assert stage.look().phase == "RolledBack"
    config = stage.look_at_the_teller()
    assert (config.prompts, config.trials, config.tried) == ({}, [], [])


def test_the_next_one_begins_from_what_was_promoted() -> None:
    stage = promoted()
    again = Stage(poem("again"), teller=stage.teller)
    again.its, again.teller = stage.its, stage.teller
    again.look_at_the_teller()
    assert again.look().phase == "Invalid"
    assert "nothing to try" in (again.status.message or "")
    again.config_maps["verse"] = config_map("verse", text=OLD)
    again.look_at_the_teller(reads(OLD))
    assert again.look().changes[0].before == digest(NEW)


def test_both_templates_are_tried_together_or_not_at_all() -> None:
    stage = Stage(poem(changes=[prompt(), prompt("user.j2")]))
    stage.look_at_the_teller()
    stage.look_at_the_teller(reads())
    assert stage.look().phase == "Waiting"
    stage.look_at_the_teller(reads(), reads(name="user.j2"))
    assert stage.look().phase == "Running"
    (trial,) = stage.look_at_the_teller().trials
    assert set(trial.prompts) == {"system.j2", "user.j2"}
