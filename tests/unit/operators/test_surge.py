"""While one revision takes another's place there is never a pod too many nor, by our doing, a ready
one too few, at any write: over seeds, with pods that die and operators that are killed."""

import itertools
import json
import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from controllers.ensemble.rollout.capacity import handed
from controllers.plan import Object, Ref
from operators.faults import KillAt, Moment
from operators.kube import Allowance
from tests.unit.operators.fakes import FakeApi
from tests.unit.operators.test_reconcile import (
    ENSEMBLE,
    ROUTES,
    KilledError,
    Setting,
    answer,
    ask,
    member,
    ours,
)

REVISION = "fabula.dev/revision"


class PodsApi(FakeApi):
    """With the pods of each Deployment, as its controller and the kubelet make and take them."""

    def __init__(self, replicas: int, surge: int) -> None:
        super().__init__()
        self.most, self.least = replicas + surge, replicas - 1 + surge
        self.handed = handed(replicas, surge)
        self.watched = False
        self._pods = itertools.count()

    async def apply(
        self, obj: Object, *, subresource: str = "", allowance: Allowance | None = None
    ) -> Object:
        before, told = self.ready(), self.told()
        made = await super().apply(obj, subresource=subresource, allowance=allowance)
        self._after(before, told)
        return made

    async def delete(self, ref: Ref, uid: str, *, allowance: Allowance | None = None) -> None:
        before, told = self.ready(), self.told()
        await super().delete(ref, uid, allowance=allowance)
        self._after(before, told)

    def _after(self, before: int, told: str | None) -> None:
        self.scale()
        if self.watched:
            assert len(self.of("Pod")) <= self.most, "a pod too many"
            # What nobody is told by does not count where what they are told by is down.
            if told and self.ready(told):
                assert self.ready() >= min(self.least, before), "a ready pod too few"
            if told and (now := self.told()) != told:
                assert self.ready(now) >= self.handed, "everyone is told by too few"

    def told(self) -> str | None:
        """The revision that everyone is told by who is in no canary."""
        if ROUTES not in self.objects:
            return None
        table = json.loads(self.objects[ROUTES]["data"]["routes.json"])
        revision: str = table["routes"][0]["revision"]
        return revision

    def ready(self, revision: str | None = None) -> int:
        return sum(
            pod["status"]["ready"]
            for pod in self.of("Pod")
            if revision in (None, pod["metadata"]["labels"][REVISION])
            and "deletionTimestamp" not in pod["metadata"]
        )

    def scale(self) -> None:
        """As many pods as each Deployment asks for; those that are not ready go first."""
        wanted = {obj["metadata"]["name"]: obj for obj in self.of("Deployment")}
        for name in {*wanted, *(pod["metadata"]["of"] for pod in self.of("Pod"))}:
            staying = [
                pod
                for pod in self.of("Pod")
                if pod["metadata"]["of"] == name and "deletionTimestamp" not in pod["metadata"]
            ]
            count = wanted[name]["spec"]["replicas"] if name in wanted else 0
            for pod in sorted(staying, key=lambda each: each["status"]["ready"])[
                : max(0, len(staying) - count)
            ]:
                pod["metadata"]["deletionTimestamp"] = "now"
            for _ in range(count - len(staying)):
                self._make(name, wanted[name]["spec"]["template"])

    def _make(self, name: str, template: Object) -> None:
        labels = template["metadata"]["labels"]
        meta = {"name": f"{name}-{next(self._pods)}", "namespace": "play", "labels": labels}
        made = {"apiVersion": "v1", "kind": "Pod", "metadata": {**meta, "of": name}}
        self.put({**made, "status": {"ready": False}})

    def report(self) -> None:
        """What each Deployment says of its pods."""
        for obj in self.of("Deployment"):
            revision = obj["metadata"]["labels"][REVISION]
            obj["status"] = {"readyReplicas": self.ready(revision)}

    def live(self, rng: random.Random, trouble: bool) -> None:
        """Some pods start, some that leave are gone, and in bad times some die."""
        for pod in self.of("Pod"):
            if "deletionTimestamp" in pod["metadata"]:
                if not trouble or rng.random() < 0.5:
                    self.drop(Ref.of(pod))
            elif not pod["status"]["ready"]:
                pod["status"]["ready"] = not trouble or rng.random() < 0.5
            elif trouble and rng.random() < 0.05:
                pod["status"]["ready"] = False
        self.scale()
        self.report()
        answer(self)


@dataclass
class Play:
    """An ensemble of one member, through a rollout."""

    api: PodsApi
    rng: random.Random
    setting: Setting = field(init=False)

    def __post_init__(self) -> None:
        self.setting = Setting(self.api)

    async def looks(self, count: int, trouble: bool = True) -> None:
        for _ in range(count):
            self.api.live(self.rng, trouble)
            moment: Moment = self.rng.choice(("before", "after"))
            fault = KillAt(self.rng.randint(1, 8), moment) if trouble else None
            try:
                await self.setting.reconciler(fault)(ENSEMBLE)
            except KilledError:
                continue
            self.never_to_what_is_not_ready()
            self.setting.now += timedelta(seconds=self.rng.randint(1, 15))

    def never_to_what_is_not_ready(self) -> None:
        table = json.loads(self.api.objects[ROUTES]["data"]["routes.json"])
        for way in table.get("split", {}).get("canary", []):
            assert self.api.ready(way["revision"]) > 0

    async def until(self, phase: str) -> None:
        for _ in range(60):
            await self.looks(1, trouble=False)
            if self.rollout["phase"] == phase:
                return
        raise AssertionError(f"not {phase}: {self.rollout}")

    async def ask(self, action: str) -> None:
        """Again and again, until it can be done."""
        for word in (f"{action}-{count}" for count in range(60)):
            ask(self.api, action, word)
            await self.looks(3)
            await self.looks(1, trouble=False)
            answer = self.setting.status(ENSEMBLE)["lastRequest"]
            if (answer["id"], answer["outcome"]) == (word, "Done"):
                return
        raise AssertionError(f"not done: {answer}")

    @property
    def rollout(self) -> dict[str, Any]:
        found: dict[str, Any] = self.setting.status(ENSEMBLE)["rollout"]
        return found

    def edit(self, replicas: int, **more: Any) -> None:
        obj = self.api.objects[ENSEMBLE]
        sage = member("sage", scaling={"minReplicas": replicas}, **more)
        self.api.put({**obj, "spec": {**obj["spec"], "members": [sage]}})


async def begin(replicas: int, surge: int, seed: int) -> Play:
    api = PodsApi(replicas, surge)
    sage = member("sage", scaling={"minReplicas": replicas})
    steps = [
        {"trafficPercent": 10, "pauseMinutes": 1},
        {"trafficPercent": 50, "waitFor": "Person"},
    ]
    rollout = {"steps": steps, "surge": surge, "rollbackWindowMinutes": 60}
    api.put(ours(ENSEMBLE, members=[sage], rollout=rollout))
    play = Play(api, random.Random(seed))
    await play.looks(4, trouble=False)
    assert play.setting.ready(ENSEMBLE)["reason"] == "MembersReady"
    api.watched = True
    return play


SIZES = [(1, 1), (2, 0), (2, 1), (3, 0), (4, 1), (5, 0)]


@pytest.mark.parametrize(
    "seeds", [range(2), pytest.param(range(2, 500), marks=pytest.mark.soak)], ids=["2", "500"]
)
@pytest.mark.parametrize(("replicas", "surge"), SIZES)
@pytest.mark.parametrize("last_word", ["", "Abort", "Undo", "edit"])
async def test_the_fleet_moves_within_its_bounds(
    last_word: str, replicas: int, surge: int, seeds: range
) -> None:
    for seed in seeds:
        play = await begin(replicas, surge, seed)
        old = play.api.told()
        play.edit(replicas, image="engine:2")
        await play.looks(play.rng.randint(1, 12))
        if last_word == "edit":
            play.edit(replicas, image="engine:3")
            await play.looks(play.rng.randint(1, 8))
        await play.until("Paused")
        if last_word == "Abort":
            await play.ask("Abort")
            await play.until("Aborted")
        else:
            await play.ask("Promote")
            await play.until("Promoted")
        if last_word == "Undo":
            await play.ask("Undo")
            await play.until("Undone")
        elif last_word != "Abort":
            await play.looks(5)
            play.setting.now += timedelta(hours=1)
            await play.until("Complete")
        await play.looks(12, trouble=False)
        back = last_word in {"Abort", "Undo"}
        assert (play.api.told() == old) is back
        revisions = [pod["metadata"]["labels"][REVISION] for pod in play.api.of("Pod")]
        assert revisions == [play.api.told()] * replicas, f"seed {seed}"


async def test_one_replica_has_no_place_to_give() -> None:
    play = await begin(2, 0, seed=0)
    play.edit(1, image="engine:2")
    play.api.watched = False
    await play.looks(6, trouble=False)
    assert "rollout" not in play.setting.status(ENSEMBLE)
    ready = play.setting.ready(ENSEMBLE)
    assert (ready["status"], ready["reason"]) == ("True", "HeldBack")
    assert "raise its scaling.minReplicas to 2, or set surge to 1" in ready["message"]
    play.edit(2, image="engine:2")
    await play.until("Paused")


async def test_without_surge_the_way_back_is_said_to_take_a_start() -> None:
    play = await begin(2, 0, seed=0)
    play.edit(2, image="engine:2")
    await play.until("Paused")
    await play.ask("Promote")
    await play.until("Promoted")
    await play.looks(6, trouble=False)
    took = play.rollout["readySeconds"]
    assert took > 0
    assert "keeps 0 replicas ready, and until" in play.rollout["message"]
    assert f"Undo returns to it as soon as it is ready, in some {took} s" in play.rollout["message"]
