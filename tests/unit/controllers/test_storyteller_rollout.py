"""What a Storyteller says while its gateways are replaced."""

from dataclasses import replace
from typing import Any

import pytest

from controllers.observed import StorytellerObserved
from controllers.plan import Children, Object, Plan
from controllers.storyteller import plan
from tests.unit.controllers.builders import DEFAULTS, NOW, condition, live, storyteller, world
from tests.unit.controllers.test_storyteller import NO, OTHER, RUNNING, YES, observe, report

DONE = {
    "observedGeneration": 1,
    "currentRevision": "a",
    "updateRevision": "a",
    "replicas": 1,
    "updatedReplicas": 1,
}


def seen(status: Object, generation: int = 1, **more: Any) -> StorytellerObserved:
    """A Storyteller whose StatefulSet was applied and says this of itself."""
    first = plan(observe(storyteller()), NOW)
    children = Children(
        {**obj, "metadata": {**obj["metadata"], "generation": generation}, "status": status}
        if obj["kind"] == "StatefulSet"
        else obj
        for obj in live(first)
    )
    reports = more.pop("reports", report(YES, OTHER))
    return observe(storyteller(), children=children, pods=(RUNNING,), reports=reports, **more)


def states(result: Plan) -> dict[str, str]:
    assert result.status is not None
    return {found.type: found.status for found in result.status.conditions[:3]}


def test_gateways_of_the_wanted_revision_are_ready_and_nothing_is_under_way() -> None:
    result = plan(seen(DONE), NOW)
    assert states(result) == {"Ready": "True", "Reconciling": "False", "Stalled": "False"}
    assert condition(result).reason == "AllMembersAnswer"


@pytest.mark.parametrize(
    ("status", "generation", "words"),
    [
        ({**DONE, "updateRevision": "b", "updatedReplicas": 0}, 1, "0 of 1 gateways run the new"),
        (DONE, 2, "a change of the gateways is under way"),
        ({}, 1, "a change of the gateways is under way"),
    ],
)
def test_while_the_gateways_are_replaced_it_is_reconciling(
    status: Object, generation: int, words: str
) -> None:
    result = plan(seen(status, generation), NOW)
    assert states(result) == {"Ready": "True", "Reconciling": "True", "Stalled": "False"}
    assert condition(result).reason == "RollingOut"
    assert words in condition(result, "Reconciling").message
    assert "2 of 2 members answer" in condition(result).message


def test_another_image_is_reconciling_from_the_run_that_applies_it() -> None:
    """The status says so before anybody could take the gateways that still run for the new ones."""
    defaults = replace(DEFAULTS, gateway_image="fabula.dev/gateway:next")
    result = plan(replace(seen(DONE), defaults=defaults), NOW)
    assert states(result)["Reconciling"] == "True"
    assert condition(result).reason == "RollingOut"


def test_what_keeps_it_from_being_ready_stays_the_reason_while_it_rolls() -> None:
    told = report(NO, quorum=False)
    result = plan(seen({**DONE, "updateRevision": "b"}, reports=told), NOW)
    assert (condition(result).status, condition(result).reason) == ("False", "NoMemberAnswers")
    assert condition(result, "Reconciling").status == "True"


def test_what_a_person_must_change_stays_the_reason_while_it_rolls() -> None:
    asked = storyteller(worldRef="emberfall", replicas=3)
    rolling = seen({**DONE, "updateRevision": "b"})
    result = plan(replace(rolling, storyteller=asked, world=world()), NOW)
    assert condition(result, "Stalled").reason == "SingleReplicaStore"
    assert condition(result, "Reconciling").status == "True"
