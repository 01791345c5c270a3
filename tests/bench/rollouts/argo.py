"""The side of Argo Rollouts: the same pods in a Rollout, and a Service in front of them.

Its analysis asks a measurement that this process keeps of what players saw, as the web provider of
its documentation does: a share of good answers, every five seconds, `failureLimit: 3`.
"""

import copy
import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devcluster import Cluster, Progress, build, modules
from devcluster.versions import ARGO_ROLLOUTS
from tests.bench.rollouts import kwok, processes
from tests.bench.rollouts.quality import Quality
from tests.bench.rollouts.side import Phase, Told
from tests.e2e.kube import Kube, Object, until
from tests.e2e.operator_process import service_account_kubeconfig

NAMESPACE = "argo-rollouts"
ACCOUNT = "argo-rollouts"
SUBJECT = "two"
#: Names the new revision in its answers.
NEW = "new"
GOOD_PERCENT = 95
PHASES: dict[str, Phase] = {"Healthy": "Done", "Degraded": "Back"}
QUESTION = {
    "messages": [{"role": "user", "content": "Where does the road lead?"}],
    "max_tokens": 8,
}


class Argo:
    """See `Side`.

    Args:
        cluster: where it runs.
        api: the API server without TLS.
        controller: its process.
        quality: what players see.
        template: the pods to run.
    """

    name = "Argo Rollouts"
    user = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"

    def __init__(
        self, cluster: Cluster, api: str, controller: int, quality: Quality, template: Object
    ) -> None:
        self._cluster, self._api, self._controller = cluster, api, controller
        self._template = template
        self._quality = quality

    def controller_mib(self) -> float:
        return processes.resident_mib(self._controller)

    def begin(self, kube: Kube) -> None:
        ports = [{"name": "http", "port": 80, "targetPort": "http"}]
        service = _object("v1", "Service", SUBJECT, {"selector": {"app": SUBJECT}, "ports": ports})
        kube.apply(service, analysis(self._quality.address), self._rollout(SUBJECT))
        until("it is healthy", lambda: self.phase(kube) == "Done", 120)

    def edit(self, kube: Kube, *arguments: str, judged: bool) -> None:
        named = "--served-name", NEW
        kube.apply(self._rollout(SUBJECT, *named, *arguments, steps=timed(judged=judged)))

    def visit(self, kube: Kube) -> Told:
        path = f"namespaces/{kube.namespace}/services/http:{SUBJECT}:http/proxy"
        request = urllib.request.Request(
            f"{self._api}/api/v1/{path}/v1/chat/completions",
            data=json.dumps(QUESTION).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            said = json.load(answer)
        bad = not said["choices"][0]["message"]["content"]
        told = Told(said["model"] == NEW, bad)
        if told.new:
            self._quality.saw(good=not bad)
        return told

    def phase(self, kube: Kube) -> Phase:
        return _phase(kube.get("rollout", SUBJECT))

    def many(self, kube: Kube, count: int) -> None:
        waits = {"canary": {"steps": [{"setWeight": 50}, {"pause": {}}]}}
        names = [f"{SUBJECT}-{number}" for number in range(count)]

        def everyone(*arguments: str) -> None:
            made = [self._rollout(name, *arguments, steps=waits) for name in names]
            for one in made:
                one["spec"]["template"]["spec"] |= kwok.THERE
            kube.apply(*made)

        def stand(phase: str) -> bool:
            return sum(_reads(each) == phase for each in kube.find("rollouts")) == count

        everyone()
        until(f"{count} are healthy", lambda: stand("Healthy"), 900)
        everyone("--fault-seed", "1")
        until(f"{count} wait", lambda: stand("Paused"), 900)

    def _rollout(self, name: str, *arguments: str, steps: Object | None = None) -> Object:
        template = copy.deepcopy(self._template)
        template["metadata"] = {"labels": {"app": name}}
        template["spec"]["containers"][0]["args"] += arguments
        template["spec"].pop("topologySpreadConstraints", None)
        spec = {
            "replicas": 1,
            "selector": {"matchLabels": {"app": name}},
            "strategy": steps or timed(),
            "template": template,
        }
        return _object("argoproj.io/v1alpha1", "Rollout", name, spec)


def timed(*, judged: bool = False) -> Object:
    """One pod of two for a minute, then everyone."""
    canary: Object = {"steps": [{"setWeight": 50}, {"pause": {"duration": 60}}]}
    if judged:
        canary["analysis"] = {"templates": [{"templateName": SUBJECT}], "startingStep": 1}
    return {"canary": canary}


def analysis(address: str) -> Object:
    metric = {
        "name": "success-percent",
        "interval": "5s",
        "failureLimit": 3,
        "successCondition": f"result >= {GOOD_PERCENT}",
        "provider": {"web": {"url": address, "jsonPath": "{$.percent}", "timeoutSeconds": 5}},
    }
    return _object("argoproj.io/v1alpha1", "AnalysisTemplate", SUBJECT, {"metrics": [metric]})


def _object(version: str, kind: str, name: str, spec: Object) -> Object:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}


def _reads(rollout: Object) -> str:
    """Its phase, if it has looked at the present spec."""
    status = rollout.get("status", {})
    fresh = status.get("observedGeneration") == str(rollout["metadata"]["generation"])
    return str(status.get("phase", "")) if fresh else ""


def _phase(rollout: Object) -> Phase:
    return PHASES.get(_reads(rollout), "UnderWay")


@contextmanager
def controller(cluster: Cluster, folder: Path) -> Iterator[int]:
    """The real controller, as a process with an account of its own; its number."""
    build.ensure([ARGO_ROLLOUTS], Progress(print))
    kube = Kube(cluster, NAMESPACE)
    kube.kubectl(
        "apply", "--server-side", "-k", str(modules.source(ARGO_ROLLOUTS) / "manifests/crds")
    )
    kube.apply(*_account())
    kubeconfig = folder / "kubeconfig"
    service_account_kubeconfig(cluster, kubeconfig, namespace=NAMESPACE, account=ACCOUNT)
    command = [
        str(build.program(ARGO_ROLLOUTS, "rollouts-controller")),
        *("--kubeconfig", str(kubeconfig), "--namespace", NAMESPACE, "--leader-elect=false"),
        *("--metricsPort", "18190", "--healthzPort", "18180"),
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


def _account() -> list[Object]:
    rbac = "rbac.authorization.k8s.io"
    everything = {"apiGroup": rbac, "kind": "ClusterRole", "name": "cluster-admin"}
    subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE}
    named = {"metadata": {"name": ACCOUNT}}
    return [
        {"apiVersion": "v1", "kind": "Namespace", **named},
        {"apiVersion": "v1", "kind": "ServiceAccount", **named},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "ClusterRoleBinding",
            **named,
            "roleRef": everything,
            "subjects": [subject],
        },
    ]
