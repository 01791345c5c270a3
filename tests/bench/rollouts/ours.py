"""Fabula's side: a World, an ensemble of one member, and the gateway that players call."""

from typing import Any

from cli.install import NAMESPACE
from devcluster import Cluster
from tests.bench.rollouts import kwok, processes
from tests.bench.rollouts.side import Phase, Told
from tests.e2e import worlds
from tests.e2e.kube import Game, Kube, Object, until

#: A session is watched for five seconds from its beginning.
ANALYSIS = {"windowSeconds": 5, "maxPairs": 5000, "deadlineMinutes": 5}
GUARDRAILS = [{"metric": "member-errors", "marginPoints": "5"}]
MEMBER = "two"
PHASES: dict[str, Phase] = {"Complete": "Done", "Aborted": "Back"}


class Ours:
    """See `Side`."""

    name = "Fabula"
    user = f"system:serviceaccount:{NAMESPACE}:fabula-operator"

    def __init__(self, cluster: Cluster, api: str) -> None:
        self._cluster, self._api = cluster, api
        self._old = ""

    def controller_mib(self) -> float:
        pods = Kube(self._cluster, NAMESPACE).pods("app.kubernetes.io/name=fabula-operator")
        return max(map(processes.resident_mib, processes.of_pod(pods[0]["metadata"]["uid"])))

    def begin(self, kube: Kube) -> None:
        kube.apply(worlds.world(), ensemble(timed()), worlds.storyteller())
        kube.ready()

    def edit(self, kube: Kube, *arguments: str, judged: bool) -> None:
        (member,) = kube.get("me", "chorus")["status"]["members"]
        self._old = member["stable"]
        kube.apply(ensemble(timed(judged=judged), *arguments))

    def visit(self, kube: Kube) -> Told:
        game = Game(kube, "shepherd", self._api)
        answer = game.ask(game.session())
        (candidate,) = game.get(f"/v1/decisions/{answer['id']}")["candidates"]
        return Told(candidate["revision"] != self._old, answer["outcome"] == "Fallback")

    def phase(self, kube: Kube) -> Phase:
        found = kube.get("me", "chorus")["status"].get("rollout", {})
        return PHASES.get(found.get("phase", ""), "UnderWay")

    def many(self, kube: Kube, count: int) -> None:
        waits = {"steps": [{"trafficPercent": 50, "waitFor": "Person"}]}

        def everyone(*arguments: str) -> None:
            made = [ensemble(waits, *arguments, **kwok.THERE) for _ in range(count)]
            for number, one in enumerate(made):
                one["metadata"]["name"] = f"chorus-{number}"
            kube.apply(*made)

        kube.apply(worlds.world())
        everyone()
        until(f"{count} are ready", lambda: _ready(kube) == count, 900)
        everyone("--fault-seed", "1")
        until(f"{count} wait", lambda: _waiting(kube) == count, 900)


def timed(*, judged: bool = False) -> Object:
    """Half of the sessions for a minute, then everyone."""
    policy: Object = {
        "steps": [{"trafficPercent": 50, "pauseMinutes": 1}],
        "rollbackWindowMinutes": 0,
    }
    return {**policy, "guardrails": GUARDRAILS, "analysis": ANALYSIS} if judged else policy


def ensemble(rollout: Object, *arguments: str, **member: Any) -> Object:
    consensus = {"timeoutSeconds": 5, "whenNoQuorum": "Fallback"}
    engine = worlds.engine(MEMBER, *arguments, **member)
    return worlds.ensemble(engine, rollout=rollout, consensus=consensus)


def _ready(kube: Kube) -> int:
    conditions = [
        c for each in kube.find("me") for c in each.get("status", {}).get("conditions", [])
    ]
    return sum(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _waiting(kube: Kube) -> int:
    found = [each["status"].get("rollout", {}) for each in kube.find("me")]
    return sum(each.get("phase") == "Paused" for each in found)
