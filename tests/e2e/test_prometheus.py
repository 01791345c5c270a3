"""A real Prometheus that scrapes the gateway of a cluster: what only it is asked about sends a slow
canary back, and one that does not answer promotes nothing."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli.install import NAMESPACE, leave_to_new
from tests.e2e import worlds
from tests.e2e.kube import Game, Kube, Object, until
from tests.e2e.test_analysis import chorus, crowd, ends
from tests.e2e.test_rollout import member, rollout, told_by
from tests.unit.operators.prometheus_server import prometheus_server

pytestmark = [pytest.mark.peers, pytest.mark.timeout(900)]

ARM = 'rollout="$rollout",arm="$arm"'
SECONDS = "fabula_gateway_arm_decision_seconds"
SLOW = (
    f'1 - sum(increase({SECONDS}_bucket{{{ARM},le="0.5"}}[$window]))'
    f" / sum(increase({SECONDS}_count{{{ARM}}}[$window]))"
)
METRIC = {
    "name": "slow-decisions",
    "direction": "LowerIsBetter",
    "low": "0",
    "high": "1",
    "prometheus": {"query": SLOW},
}
GUARDRAILS = [
    {"metric": "member-errors", "marginPoints": "10"},
    {"metric": "slow-decisions", "marginPoints": "50"},
]
JUDGED: Object = {"guardrails": GUARDRAILS, "analysis": {"windowSeconds": 15}}


@pytest.fixture
def address(kube: Kube) -> Iterator[str]:
    """Where a node may listen, which the operator may call meanwhile."""
    (node, *_) = kube.find("nodes")
    host = next(a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP")
    with socket.create_server(("127.0.0.1", 0)) as free:
        found = f"http://{host}:{free.getsockname()[1]}"
    operator = Kube(kube.cluster, NAMESPACE)
    with allowing(operator, found):
        yield found
    leave_to_new(kube.cluster.env)


@contextmanager
def allowing(operator: Kube, address: str) -> Iterator[None]:
    def allow(what: str) -> None:
        setting = f"FABULA_PROMETHEUS_ALLOWED={what}"
        operator.kubectl("set", "env", "deployment/fabula-operator", setting)

    allow(address)
    leave_to_new(operator.cluster.env)
    try:
        yield
    finally:
        allow("")


def world(address: str) -> Object:
    asked = {"address": address, "windowSeconds": 15, "lagSeconds": 6}
    return worlds.world(metrics=[METRIC], prometheus=asked)


def begin(kube: Kube, address: str, *args: str) -> str:
    """The old revision, with a new one in its step."""
    kube.apply(world(address), chorus(**JUDGED), worlds.storyteller())
    kube.ready()
    old: str = member(kube)["stable"]
    kube.apply(chorus(*args, **JUDGED))
    until("the step", lambda: rollout(kube).get("trafficPercent") == 50, 120)
    return old


def scraping(kube: Kube) -> str:
    """The configuration of a Prometheus that scrapes the gateways."""
    pods = kube.pods("app.kubernetes.io/name=gateway")
    targets = ", ".join(f'"{pod["status"]["podIP"]}:8080"' for pod in pods)
    return (
        "global: {scrape_interval: 3s, scrape_timeout: 2s}\n"
        "scrape_configs: [{job_name: gateways, static_configs: [{targets: [" + targets + "]}]}]\n"
    )


def test_what_prometheus_finds_slow_goes_back(
    kube: Kube, game: Game, address: str, tmp_path: Path
) -> None:
    old = begin(kube, address, "--fault-latency-ms", "1000")
    host, port = address.removeprefix("http://").rsplit(":", 1)
    with (
        prometheus_server(
            tmp_path, host, int(port), scraping(kube), lambda command: kube.cluster.argv(*command)
        ),
        crowd(game, turns=1),
    ):
        verdict = ends(kube, "Aborted", 420)
    assert verdict["kind"] == "Harm"
    standings = {each["name"]: each["standing"] for each in verdict["metrics"]}
    assert standings["slow-decisions"] == "Harmful"
    assert standings["member-errors"] != "Harmful"
    until("everyone is back", lambda: told_by(game, game.session()) == (old, None), seconds=10)


def test_one_that_does_not_answer_promotes_nothing(kube: Kube, game: Game, address: str) -> None:
    begin(kube, address, "--fault-seed", "1")
    with crowd(game, turns=1):
        until(
            "it is said that nobody answers",
            lambda: f"Prometheus at {address} does not answer" in rollout(kube)["message"],
            120,
            last=lambda: rollout(kube),
        )
        verdict = ends(kube, "Paused", 420)
    assert verdict["kind"] == "Inconclusive"
