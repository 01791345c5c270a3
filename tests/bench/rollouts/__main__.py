"""Rollouts side by side: ``python -m tests.bench.rollouts``

One cluster, the same pods, the same players. It uses a cluster of its own, which it takes down
afterwards; the first run builds the controller of Argo Rollouts and kwok, in about six minutes.
"""

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event
from time import monotonic

import typer

import devcluster
from cli.install import install
from devcluster import Cluster, Progress
from tests.bench.rollouts import argo, kwok
from tests.bench.rollouts.ours import MEMBER, Ours, ensemble, timed
from tests.bench.rollouts.quality import Quality
from tests.bench.rollouts.side import Side, Told
from tests.e2e import worlds
from tests.e2e.audit import Audit
from tests.e2e.kube import Kube, Object, api_proxy, namespace, until

NAME = "fabula-bench"
PLAYERS = 8
Figures = dict[str, float]
MANY = 100
#: Bad share of the new revision's answers, and what the row is called.
FAULTS = {"every answer empty": "1.0", "one of five empty": "0.2"}


@contextmanager
def crowd(side: Side, kube: Kube) -> Iterator[list[tuple[float, Told]]]:
    """Players who visit one after the other for as long as the block runs; what they saw, when."""
    seen: list[tuple[float, Told]] = []
    enough = Event()

    def play() -> None:
        while not enough.is_set():
            told = side.visit(kube)
            seen.append((monotonic(), told))

    with ThreadPoolExecutor(PLAYERS) as players:
        playing = [players.submit(play) for _ in range(PLAYERS)]
        try:
            yield seen
        finally:
            enough.set()
    for player in playing:
        player.result()


def promoted(side: Side, kube: Kube, audit: Path | None) -> Figures:
    """An equal revision, from the edit to the end."""
    log = Audit.now(audit)
    with crowd(side, kube) as seen:
        edited = monotonic()
        side.edit(kube, "--fault-seed", "1", judged=False)
        until("the rollout ends", lambda: side.phase(kube) == "Done", 300)
        ended = monotonic()
    first = next(at for at, told in seen if told.new)
    return {
        "edit to the first answer of the new revision, s": first - edited,
        "edit to the end, the pause of 60 s taken off, s": ended - edited - 60,
        "writes to the API for a rollout": len(log.writes(side.user, kube.namespace)),
    }


def sent_back(side: Side, kube: Kube, rate: str) -> tuple[float, int]:
    """A bad revision: seconds and bad answers from the first to the last one."""
    with crowd(side, kube) as seen:
        side.edit(kube, "--fault-empty-rate", rate, judged=True)
        until("it is sent back", lambda: side.phase(kube) == "Back", 300)
        after = len(seen) + 20 * PLAYERS
        until("it is quiet", lambda: len(seen) >= after, 60)
    bad = [at for at, told in seen if told.bad]
    return bad[-1] - bad[0], len(bad)


def measure(side: Side, cluster: Cluster) -> Figures:
    """One side's column."""
    figures: Figures = {}
    with fresh(side, cluster, "equal") as kube:
        figures |= promoted(side, kube, cluster.audit_log)
    for what, rate in FAULTS.items():
        with fresh(side, cluster, what) as kube:
            seconds, count = sent_back(side, kube, rate)
        figures |= {f"first to last bad answer, s, {what}": seconds, f"bad answers, {what}": count}
    figures["memory of the controller, MiB"] = side.controller_mib()
    with namespace(cluster, named(side, "many")) as kube:
        side.many(kube, MANY)
        figures[f"the same with {MANY} rollouts under way, MiB"] = side.controller_mib()
    typer.echo(f"{side.name}: {figures}")
    return figures


@contextmanager
def fresh(side: Side, cluster: Cluster, what: str) -> Iterator[Kube]:
    """A namespace with a subject that is ready."""
    with namespace(cluster, named(side, what)) as kube:
        side.begin(kube)
        yield kube


def named(side: Side, what: str) -> str:
    return f"bench-{side.name}-{what}".lower().replace(" ", "-")


def main() -> None:
    cluster = devcluster.up(NAME)
    install(cluster, Progress(typer.echo))
    quality = Quality()
    columns: dict[str, Figures] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        api = stack.enter_context(api_proxy(cluster))
        stack.enter_context(kwok.node(cluster, folder))
        stack.enter_context(quality.served())
        with namespace(cluster, "bench-template") as kube:
            kube.apply(worlds.world(), ensemble(timed()))
            template = until("the pods", lambda: pods(kube))
        process = stack.enter_context(argo.controller(cluster, folder))
        theirs = argo.Argo(cluster, api, process, quality, template)
        for side in (theirs, Ours(cluster, api)):
            columns[side.name] = measure(side, cluster)
    cluster.down()
    typer.echo("| what | " + " | ".join(columns) + " |\n|---|" + "---|" * len(columns))
    for what in columns[theirs.name]:
        cells = " | ".join(f"{column[what]:,.1f}" for column in columns.values())
        typer.echo(f"| {what} | {cells} |")


def pods(kube: Kube) -> Object | None:
    """The pods that Fabula makes, for the other side to run the same."""
    found = kube.find("deployments", f"fabula.dev/member={MEMBER}")
    return found[0]["spec"]["template"] if found else None


if __name__ == "__main__":
    main()
