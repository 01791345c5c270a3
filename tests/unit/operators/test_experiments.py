"""An experiment by a real operator over an API server in memory: its end is the same wherever it is
killed, and nobody is in an arm that could not be counted."""

import copy
import itertools
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from controllers.delivery.evidence import Arm
from controllers.experiment import evidence
from controllers.experiment.terms import of
from controllers.observed import ExperimentObserved
from controllers.plan import Object, Ref
from crds import API_VERSION
from crds.gateway import GatewayReport
from crds.observations import Observation, Observations
from crds.templates import TriedTemplate
from operators.errors import (
    ApiError,
    ConflictError,
    ExpiredError,
    ForbiddenError,
    InvalidError,
    UnavailableError,
)
from operators.faults import KillAt, Moment
from operators.kinds import handlers
from operators.observe.reading import Reader
from operators.observe.storyteller import Ask
from tests.unit.operators.fakes import FakeApi
from tests.unit.operators.test_reconcile import (
    BARD,
    DEFAULTS,
    ENSEMBLE,
    WORLD,
    KilledError,
    Sessions,
    Setting,
    member,
    ours,
    settle,
    silence,
    told,
    unasked,
)

EXPERIMENT = Ref(API_VERSION, "EvolutionExperiment", "play", "richer")
CHECKPOINT = Ref("v1", "ConfigMap", "play", "richer-experiment")
#: Who is told of trials, and under which key.
TOLD = {
    Ref("v1", "ConfigMap", "play", "ember-config"): "config.json",
    Ref("v1", "ConfigMap", "play", "bard-gateway"): "gateway.json",
}
LOG = "bard-gateway-0"
VERSE: Object = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "verse", "namespace": "play"},
}

Look = Callable[[], Awaitable[None]]


@dataclass
class Trials:
    """What gateways have in their logs by now, told from the checkpoint on as they do. ``rate`` is
    how often a session of the canary is glad; one in two is of the others."""

    rate: float = 0.5
    pairs: int = 0

    async def __call__(
        self, reader: Reader, seen: ExperimentObserved
    ) -> tuple[tuple[Observations, ...], None]:
        meta, status = seen.experiment.metadata, seen.experiment.status
        terms = of(seen)
        if status.salt is None or not evidence.is_open(status, terms):
            return (), None
        stored = seen.children.get("ConfigMap", evidence.config_map_name(meta.name))
        chance = random.Random(status.salt)
        entries: list[Observation] = []
        for at in range(2 * self.pairs):
            arm: Arm = "Baseline" if at % 2 else "Canary"
            glad = float(chance.random() < (self.rate if arm == "Canary" else 0.5))
            entries += [
                Observation(sequence=2 * at, kind="Assigned", arm=arm),
                Observation(sequence=2 * at + 1, kind="Outcome", arm=arm, values={"joy": glad}),
            ]
        last = evidence.cursor(terms, status, stored).get(LOG, -1)
        through = len(entries) - 1
        news = entries[last + 1 :]
        told = Observations(
            log=LOG, rollout=status.salt, observations=news, through=through, more=False
        )
        return (told,), None


def setting_of(api: FakeApi, trials: Trials, ask: Ask = silence) -> Setting:
    return Setting(api, handlers=handlers(DEFAULTS, ask, Sessions(), trials, unasked))


async def at_rest(**changed: object) -> FakeApi:
    """A World that is all there, and an experiment in its first step."""
    gold = {"name": "quest-gold", "type": "Integer", "default": "120"}
    joy = {"name": "joy", "direction": "HigherIsBetter"}
    spec = {
        "worldRef": "ember",
        "hypothesis": "More gold, more joy.",
        "changes": [{"tunable": {"name": "quest-gold", "value": "140"}}],
        "objective": {"metric": "joy", "minimumEffectPoints": "10"},
        "canary": {"steps": [5, 50], "stepMinutes": 2},
        "promotion": {"approval": "Automatic"},
        **changed,
    }
    begin = Setting()
    begin.api.put(ours(WORLD, tunables=[gold], metrics=[joy]))
    begin.api.put(ours(ENSEMBLE, worldRef="ember", members=[member("sage")]))
    begin.api.put(ours(BARD, worldRef="ember", ensembleRef="council"))
    await settle(begin.reconciler(), begin)
    begin.api.put(ours(EXPERIMENT, **spec))
    begin.api.writes.clear()
    return begin.api


def looks(setting: Setting, fault: KillAt | None = None) -> Look:
    """Everybody who is concerned, until all is quiet; whoever is killed is followed by another."""
    operator = setting.reconciler(fault)

    async def look() -> None:
        nonlocal operator
        try:
            for _, ref in itertools.product(range(2), (EXPERIMENT, WORLD, BARD)):
                await operator(ref)
        except KilledError:
            operator = setting.reconciler()
            await look()

    return look


def troubled_looks(setting: Setting, rng: random.Random) -> Look:
    """With kills at random writes, refusals of any kind and lost events, until all is quiet."""
    errors = (ConflictError, UnavailableError, ExpiredError, ForbiddenError)

    def refuse(verb: str, ref: Ref) -> ApiError | None:
        return rng.choice(errors)(f"{verb} {ref}", "not now") if rng.random() < 0.1 else None

    async def look() -> None:
        setting.api.refuse = refuse
        for _ in range(rng.randint(0, 6)):
            moment: Moment = rng.choice(("before", "after"))
            operator = setting.reconciler(KillAt(rng.randint(1, 4), moment))
            try:
                await operator(rng.choice((EXPERIMENT, WORLD, BARD)))
            except (KilledError, ApiError):
                continue
            never_in_an_arm_that_is_not_counted(setting.api)
        setting.api.refuse = lambda verb, ref: None
        await looks(setting)()

    return look


def trials_told(api: FakeApi) -> list[Object]:
    """All that gateways and the configuration service are told of now."""
    return [
        trial
        for ref, key in TOLD.items()
        for trial in json.loads(api.objects[ref]["data"][key])["trials"]
    ]


def gateway(api: FakeApi) -> Object:
    """All that gateways are told of now."""
    found: Object = json.loads(api.objects[[*TOLD][1]]["data"]["gateway.json"])
    return found


def never_in_an_arm_that_is_not_counted(api: FakeApi) -> None:
    salts = {trial["salt"] for trial in trials_told(api)}
    assert salts <= {api.objects[CHECKPOINT]["data"]["rollout"]} if salts else True


def everyone_reads(api: FakeApi) -> str:
    (gold,) = json.loads(api.objects[next(iter(TOLD))]["data"]["config.json"])["tunables"]
    value: str = gold["default"]
    return value


async def played(setting: Setting, trials: Trials, look: Look) -> FakeApi:
    """From the first step to everyone or back, with more sessions each time."""
    for pairs in (0, 60, 200, 200):
        trials.pairs = pairs
        await look()
        setting.now += timedelta(minutes=2)
    return setting.api


def timeless(api: FakeApi) -> dict[str, Object]:
    """The end state, whenever something was said and taken back on the way."""
    found = api.dump()
    for ref in (EXPERIMENT, WORLD, BARD):
        for condition in found[str(ref)]["status"]["conditions"]:
            del condition["lastTransitionTime"]
    return found


ENDINGS = pytest.mark.parametrize(
    ("rate", "phase", "gold"),
    [(0.8, "Promoted", "140"), (0.1, "RolledBack", "120")],
    ids=["better", "worse"],
)


@ENDINGS
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_it_comes_to_the_same_end_wherever_the_operator_is_killed(
    rate: float, phase: str, gold: str, moment: Moment
) -> None:
    begin = await at_rest()

    async def play(fault: KillAt | None = None) -> FakeApi:
        trials = Trials(rate)
        setting = setting_of(copy.deepcopy(begin), trials)
        return await played(setting, trials, looks(setting, fault))

    undisturbed = await play()
    assert undisturbed.objects[EXPERIMENT]["status"]["phase"] == phase
    assert everyone_reads(undisturbed) == gold
    assert trials_told(undisturbed) == []
    assert len(undisturbed.writes) > 10
    for write in range(1, len(undisturbed.writes) + 1):
        got = await play(KillAt(write, moment))
        assert got.dump() == undisturbed.dump(), f"killed {moment} write {write}"
        assert told(got) == told(undisturbed), f"killed {moment} write {write}"


@pytest.mark.parametrize(("rate", "phase"), [(0.8, "Promoted"), (0.1, "RolledBack")])
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_with_a_template_it_comes_to_the_same_end_wherever_the_operator_is_killed(
    rate: float, phase: str, moment: Moment
) -> None:
    text = {"name": "verse", "key": "text"}
    change = {"storyteller": "bard", "name": "system.j2", "configMapRef": text}
    begin = await at_rest(changes=[{"prompt": change}])
    begin.put({**VERSE, "data": {"text": "Say it in verse. {{ persona }}"}})

    def readers(api: FakeApi) -> Ask:
        """Gateways that have read what they were told."""

        async def ask(*_: object) -> dict[str, GatewayReport]:
            tried = [
                TriedTemplate(name=each["name"], digest=each["digest"]) for each in told_of(api)
            ]
            return {"bard-gateway-0": GatewayReport(storyteller="bard", tried=tried)}

        return ask

    def told_of(api: FakeApi) -> list[Object]:
        found: list[Object] = gateway(api)["tried"]
        return found

    before = setting_of(begin, Trials(), readers(begin))
    for _ in range(2):
        await looks(before)()
    assert begin.objects[EXPERIMENT]["status"]["phase"] == "Running"
    assert [trial["prompts"] for trial in trials_told(begin)] == [
        {"system.j2": begin.objects[EXPERIMENT]["status"]["changes"][0]["value"]}
    ]
    begin.writes.clear()

    async def play(fault: KillAt | None = None) -> FakeApi:
        trials = Trials(rate)
        api = copy.deepcopy(begin)
        setting = setting_of(api, trials, readers(api))
        return await played(setting, trials, looks(setting, fault))

    undisturbed = await play()
    assert undisturbed.objects[EXPERIMENT]["status"]["phase"] == phase
    promoted = {"system.j2": "Say it in verse. {{ persona }}"} if phase == "Promoted" else {}
    assert gateway(undisturbed)["prompts"] == promoted
    assert trials_told(undisturbed) == told_of(undisturbed) == []
    for write in range(1, len(undisturbed.writes) + 1):
        got = await play(KillAt(write, moment))
        assert got.dump() == undisturbed.dump(), f"killed {moment} write {write}"
        assert told(got) == told(undisturbed), f"killed {moment} write {write}"


@pytest.mark.parametrize(
    "seeds", [range(5), pytest.param(range(5, 500), marks=pytest.mark.soak)], ids=["5", "500"]
)
@ENDINGS
async def test_in_trouble_it_comes_to_the_same_end(
    rate: float, phase: str, gold: str, seeds: range
) -> None:
    begin = await at_rest()
    trials = Trials(rate)
    calm = setting_of(copy.deepcopy(begin), trials)
    undisturbed = timeless(await played(calm, trials, looks(calm)))
    for seed in seeds:
        setting = setting_of(copy.deepcopy(begin), trials)
        got = await played(setting, trials, troubled_looks(setting, random.Random(seed)))
        assert timeless(got) == undisturbed, f"seed {seed}"


async def test_one_that_is_deleted_leaves_nobody_in_its_arms() -> None:
    setting = setting_of(await at_rest(), Trials())
    await looks(setting)()
    assert len(trials_told(setting.api)) == 2
    setting.api.drop(EXPERIMENT)
    await looks(setting)()
    assert trials_told(setting.api) == []
    owners = setting.api.objects[CHECKPOINT]["metadata"]["ownerReferences"]
    assert owners[0]["uid"] == "uid-richer"


async def test_where_its_checkpoint_is_refused_nobody_is_in_its_arms() -> None:
    setting = setting_of(await at_rest(), Trials())
    setting.api.refuse = lambda verb, ref: (
        InvalidError(f"{verb} {ref}", "exceeded quota", 403)
        if (verb, ref) == ("apply", CHECKPOINT)
        else None
    )
    with pytest.raises(InvalidError):
        await setting.reconciler()(EXPERIMENT)
    assert "exceeded quota" in setting.ready(EXPERIMENT)["message"]
    assert "phase" not in setting.status(EXPERIMENT)
    await setting.reconciler()(WORLD)
    assert trials_told(setting.api) == []


async def test_an_idle_one_is_not_written() -> None:
    setting = setting_of(await at_rest(), Trials())
    await looks(setting)()
    setting.api.writes.clear()
    setting.now += timedelta(seconds=30)
    await looks(setting)()
    assert setting.api.writes == []
