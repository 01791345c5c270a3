"""One operator leads; when it dies another takes over, and when it is cut off it stops in time."""

import json
import time
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from cli.install import NAMESPACE
from cli.run import run
from devcluster import Cluster
from tests.e2e import worlds
from tests.e2e.kube import Kube, until
from tests.e2e.operator_process import (
    operator,
    service_account_kubeconfig,
)
from tests.e2e.proxy import Proxy

LEASE_SECONDS = 15


def leader(cluster: Cluster) -> str:
    found = run(
        ["kubectl", "-n", NAMESPACE, "get", "lease", "fabula-operator", "-o", "json"],
        cluster.env,
        timeout=30,
    )
    holder: str = json.loads(found)["spec"].get("holderIdentity", "")
    return holder


def lead(cluster: Cluster, who: str, seconds: float = 40) -> None:
    until(f"{who} leads", lambda: leader(cluster) == who, seconds)


def acted_on(kube: Kube) -> bool:
    seen = kube.get("me", "chorus")
    observed: int = seen.get("status", {}).get("observedGeneration", 0)
    return observed == int(seen["metadata"]["generation"])


def test_another_acts_within_20_seconds_of_a_hard_kill(
    fabula: Cluster, kube: Kube, alone: Path, tmp_path: Path
) -> None:
    place = (fabula, alone, tmp_path, kube.namespace)
    with operator(*place, identity="first", port=18081) as first:
        lead(fabula, "first")
        with operator(*place, identity="second", port=18082):
            kube.apply(*worlds.whole())
            kube.ready()
            first.kill()
            killed = time.monotonic()
            kube.apply(worlds.ensemble(worlds.engine("one", weight=9), worlds.engine("two")))
            until("the change is acted on", lambda: acted_on(kube), 40)
            took = time.monotonic() - killed
            assert leader(fabula) == "second"
            assert took <= 20, f"took {took:.1f} s"
            print(f"another operator acted {took:.1f} s after the kill")


def test_a_leader_cut_off_stops_writing_before_its_lease_ends(
    fabula: Cluster, kube: Kube, alone: Path, tmp_path: Path
) -> None:
    address = urlsplit(yaml.safe_load(alone.read_text())["clusters"][0]["cluster"]["server"])
    assert address.hostname
    assert address.port
    with Proxy(address.hostname, address.port) as proxy:
        config = service_account_kubeconfig(
            fabula, tmp_path / "cut", f"https://127.0.0.1:{proxy.port}"
        )
        place = (tmp_path, kube.namespace)
        with operator(fabula, config, *place, identity="cut", port=18083, inside=False) as lost:
            lead(fabula, "cut")
            kube.apply(*worlds.whole())
            until("it works", lambda: acted_on(kube))
            proxy.cut()
            cut = time.monotonic()
            until("it gave up", lambda: lost.metric("fabula_leader") == 0, LEASE_SECONDS)
            assert time.monotonic() - cut < LEASE_SECONDS
            written = lost.metric("fabula_writes_total")
            with operator(fabula, alone, *place, identity="next", port=18084):
                lead(fabula, "next")
                kube.apply(worlds.ensemble(worlds.engine("one"), worlds.engine("two")))
                until("the other works on", lambda: acted_on(kube))
                assert lost.metric("fabula_writes_total") == written
                assert lost.process.poll() is None
