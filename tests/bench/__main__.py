"""``make bench``: the figures of docs/benchmarks.md, measured on this machine, as a table.

It uses a cluster of its own, which it takes down and brings up again.
"""

import json
import statistics
import time
from collections.abc import Callable

import typer

import devcluster
from cli.demo import EXAMPLE
from cli.install import NAMESPACE, install
from cli.run import run
from devcluster import Cluster, Progress
from tests.e2e.audit import Audit
from tests.e2e.kube import Game, Kube, api_proxy

NAME = "fabula-bench"
OPERATOR = f"system:serviceaccount:{NAMESPACE}:fabula-operator"
ASKED = 30
IDLE_SECONDS = 180


def timed(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def memory_mib(cluster: Cluster, namespace: str) -> dict[str, float]:
    """Working set of each pod of a namespace, as the kubelet sees it."""
    (node, *_) = json.loads(
        run(["kubectl", "get", "nodes", "-o", "json"], cluster.env, timeout=30)
    )["items"]
    path = f"/api/v1/nodes/{node['metadata']['name']}/proxy/stats/summary"
    summary = json.loads(run(["kubectl", "get", "--raw", path], cluster.env, timeout=30))
    return {
        pod["podRef"]["name"]: pod["memory"]["workingSetBytes"] / 2**20
        for pod in summary["pods"]
        if pod["podRef"]["namespace"] == namespace and "memory" in pod
    }


def main() -> None:
    rows: list[tuple[str, str]] = []
    found = devcluster.find(NAME)
    if found:
        found.down()
    began = time.monotonic()
    rows.append(("cluster start, warm", f"{timed(lambda: devcluster.up(NAME)):.1f} s"))
    cluster = devcluster.up(NAME)
    rows.append(("cluster start, already up", f"{timed(lambda: devcluster.up(NAME)):.1f} s"))
    install(cluster, Progress(typer.echo))
    run(["kubectl", "create", "namespace", "emberfall"], cluster.env, timeout=30)
    kube = Kube(cluster, "emberfall")

    def world() -> None:
        kube.kubectl("apply", "--server-side", "-f", str(EXAMPLE / "world"))
        kube.ready(180)

    rows.append(("world applied to Ready (three models)", f"{timed(world):.1f} s"))
    rows.append(("nothing to Ready, in all", f"{time.monotonic() - began:.1f} s"))

    with api_proxy(cluster) as api:
        game = Game(kube, "bard", api)
        session = game.session()
        latencies = sorted(timed(lambda: game.ask(session)) for _ in range(ASKED))
    rows.append(
        (
            f"decision of three models, {ASKED} asked one by one: median / p90",
            f"{statistics.median(latencies):.2f} / {latencies[int(ASKED * 0.9)]:.2f} s",
        )
    )
    audit = Audit.now(cluster.audit_log)
    time.sleep(IDLE_SECONDS)
    writes = len(audit.writes(OPERATOR))
    rate = writes / 3 / (IDLE_SECONDS / 60)
    rows.append((f"writes a resource a minute, idle for {IDLE_SECONDS} s", f"{rate:.2f}"))
    for place in (NAMESPACE, "emberfall"):
        rows += [
            (f"memory of {name}", f"{size:.0f} MiB")
            for name, size in sorted(memory_mib(cluster, place).items())
        ]
    rows.append(("cluster down", f"{timed(cluster.down):.1f} s"))
    print("\n| what | measured |\n|---|---|")
    for what, figure in rows:
        print(f"| {what} | {figure} |")


if __name__ == "__main__":
    main()
