"""The operator is killed before and after its writes, and what comes out is what comes out without.

`make test` takes a sample of the points; `make soak` takes every one.
"""

import itertools
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from devcluster import Cluster
from tests.e2e import worlds
from tests.e2e.endstate import differences, end_state
from tests.e2e.kube import Kube, namespace, until
from tests.e2e.operator_process import (
    operator,
)

#: Names of namespaces, because one that goes cannot be used again at once.
SPACES = (f"killed-{number}" for number in itertools.count())
#: More than a scenario writes; points beyond its last write end the soak.
MOST = 60
SAMPLE = (3, 11, 19)
ENGINES = "app.kubernetes.io/name=engine"
Scenario = Callable[[Kube], None]


def create_a_world(kube: Kube) -> None:
    kube.apply(*worlds.whole())


def change_a_member(kube: Kube) -> None:
    changed = worlds.engine("three", "--fault-latency-ms", "1")
    kube.apply(worlds.ensemble(worlds.engine("one", weight=2), worlds.engine("two"), changed))


SCENARIOS = {"create": create_a_world, "change": change_a_member}


def settled(kube: Kube) -> None:
    """Ready, of the newest spec, every member heard, and what was replaced is gone."""
    kube.ready()
    kube.says("st", "shepherd", "AllMembersAnswer", seconds=60)
    for kind in ("pods", "deployments", "services"):
        until(f"three {kind} of engines", partial(_three, kube, kind))


def run_through(
    cluster: Cluster, config: Path, folder: Path, scenario: str, kill: str | None
) -> tuple[dict[str, Any], bool]:
    """The end state of a scenario, and whether the operator was killed on the way."""
    killed = False
    space = next(SPACES)
    with namespace(cluster, space) as kube:
        if scenario == "change":
            create_a_world(kube)
            with operator(cluster, config, folder, space):
                settled(kube)
        SCENARIOS[scenario](kube)
        if kill:
            fault = {"FABULA_FAULT_KILL_AT": kill}
            with operator(cluster, config, folder, space, env=fault) as doomed:

                def over() -> bool:
                    return doomed.process.poll() is not None or _is_settled(kube)

                until(f"killed at write {kill}, or done", over, 180)
                killed = doomed.process.poll() is not None
        with operator(cluster, config, folder, space) as healthy:
            settled(kube)
            state = end_state(kube)
            assert not [line for line in healthy.lines() if "exception" in line]
    return state, killed


def _three(kube: Kube, kind: str) -> bool:
    return len(kube.find(kind, ENGINES)) == 3


def _is_settled(kube: Kube) -> bool:
    ready = [kube.condition("me", "chorus"), kube.condition("st", "shepherd")]
    return (
        all(c.get("status") == "True" for c in ready)
        and kube.get("me", "chorus")["status"]["observedGeneration"]
        == kube.get("me", "chorus")["metadata"]["generation"]
        and len(kube.find("deployments")) == 3
    )


@pytest.fixture(scope="module")
def undisturbed(
    fabula: Cluster, alone: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    """What comes out when nobody is killed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return {name: run_through(fabula, alone, folder, name, None)[0] for name in SCENARIOS}


def check(
    cluster: Cluster,
    config: Path,
    folder: Path,
    scenario: str,
    kill: str,
    expected: dict[str, dict[str, Any]],
) -> bool:
    state, killed = run_through(cluster, config, folder, scenario, kill)
    assert differences(state, expected[scenario]) == []
    return killed


@pytest.mark.timeout(600)
@pytest.mark.parametrize("write", SAMPLE)
def test_killed_while_creating_a_world(
    fabula: Cluster,
    alone: Path,
    undisturbed: dict[str, dict[str, Any]],
    tmp_path: Path,
    write: int,
) -> None:
    point = f"{write}:{'before' if write % 2 else 'after'}"
    assert check(fabula, alone, tmp_path, "create", point, undisturbed)


@pytest.mark.timeout(600)
def test_killed_while_changing_a_member(
    fabula: Cluster, alone: Path, undisturbed: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    assert check(fabula, alone, tmp_path, "change", "3:after", undisturbed)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("scenario", list(SCENARIOS))
def test_killed_at_every_write(
    fabula: Cluster,
    alone: Path,
    undisturbed: dict[str, dict[str, Any]],
    tmp_path: Path,
    scenario: str,
) -> None:
    points, broken = 0, []
    for write, moment in itertools.product(range(1, MOST + 1), ("before", "after")):
        point = f"{write}:{moment}"
        state, killed = run_through(fabula, alone, tmp_path, scenario, point)
        differs = differences(state, undisturbed[scenario])
        print(f"{scenario} killed at {point}: {differs or 'the same end state'}", flush=True)
        if differs:
            broken.append(point)
        if not killed:
            break
        points += 1
    assert broken == []
    assert 8 <= points < 2 * MOST
