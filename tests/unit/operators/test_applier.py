"""A plan is carried out once: what stands is not written again, what differs is."""

import copy
from typing import Any

import pytest

from controllers.plan import Children, Delete, Event, Object, Ref
from controllers.stamp import APPLIED
from operators.applier import GROUP_LABEL, Applier, Outcome
from operators.errors import ForbiddenError, InvalidError, UnavailableError
from operators.events import Recorder
from operators.faults import Fault
from operators.metrics import Metrics
from operators.writer import Writer
from tests.unit.operators.fakes import NOW, FakeApi


def deployment(name: str, member: str = "", **spec: Any) -> Object:
    labels = {GROUP_LABEL: member} if member else {}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "play", "labels": labels},
        "spec": {"replicas": 1, **spec},
    }


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


@pytest.fixture
def applier(api: FakeApi) -> Applier:
    writer = Writer(api, lambda: 5.0, Metrics(), Fault(None))
    return Applier(writer, Recorder(writer, "operator-0", lambda: NOW))


async def run(applier: Applier, api: FakeApi, *objects: Object) -> Outcome:
    outcome = Outcome()
    live = Children(copy.deepcopy(obj) for obj in api.of("Deployment"))
    await applier.apply(objects, live, outcome)
    return outcome


async def test_the_second_apply_writes_nothing(applier: Applier, api: FakeApi) -> None:
    assert (await run(applier, api, deployment("a"))).written == ["apply Deployment a"]
    assert (await run(applier, api, deployment("a"))).written == []
    assert APPLIED in api.of("Deployment")[0]["metadata"]["annotations"]


async def test_neither_does_the_first_of_a_restarted_operator(
    applier: Applier, api: FakeApi
) -> None:
    await run(applier, api, deployment("a"))
    writer = Writer(api, lambda: 5.0, Metrics(), Fault(None))
    restarted = Applier(writer, Recorder(writer, "operator-0", lambda: NOW))
    assert (await run(restarted, api, deployment("a"))).written == []


async def test_a_field_that_is_no_longer_said_is_taken_away(applier: Applier, api: FakeApi) -> None:
    await run(applier, api, deployment("a", paused=True))
    await run(applier, api, deployment("a"))
    assert "paused" not in api.of("Deployment")[0]["spec"]


async def test_what_somebody_changed_is_put_right(applier: Applier, api: FakeApi) -> None:
    await run(applier, api, deployment("a"))
    edited = copy.deepcopy(api.of("Deployment")[0])
    edited["spec"]["replicas"] = 7
    edited["spec"]["minReadySeconds"] = 3
    edited["metadata"]["generation"] += 1
    api.put(edited)
    assert (await run(applier, api, deployment("a"))).written == ["apply Deployment a"]
    assert api.of("Deployment")[0]["spec"] == {"replicas": 1, "minReadySeconds": 3}


async def test_a_webhook_that_insists_is_not_fought_over_an_idle_object(
    applier: Applier, api: FakeApi
) -> None:
    """The API server's own answer to an apply is taken for what will be, until it changes."""
    await run(applier, api, deployment("a"))
    api.objects[Ref.of(deployment("a"))]["spec"]["replicas"] = 3
    assert (await run(applier, api, deployment("a"))).written == []
    api.objects[Ref.of(deployment("a"))]["metadata"]["generation"] += 1
    assert (await run(applier, api, deployment("a"))).written == ["apply Deployment a"]


async def test_a_label_that_somebody_took_is_put_back(applier: Applier, api: FakeApi) -> None:
    await run(applier, api, deployment("a", "sage"))
    api.objects[Ref.of(deployment("a"))]["metadata"]["labels"].clear()
    await run(applier, api, deployment("a", "sage"))
    assert api.of("Deployment")[0]["metadata"]["labels"] == {GROUP_LABEL: "sage"}


async def test_an_apply_is_bound_to_the_object_that_was_looked_at(
    applier: Applier, api: FakeApi
) -> None:
    await run(applier, api, deployment("a"))
    live = Children([copy.deepcopy(api.of("Deployment")[0])])
    api.drop(Ref.of(deployment("a")))
    api.put(deployment("a", somebody=True))
    with pytest.raises(Exception, match="UID"):
        await applier.apply([deployment("a", replicas=5)], live, Outcome())
    assert "somebody" in api.of("Deployment")[0]["spec"]


async def test_a_refused_member_holds_back_its_own_objects_and_nobody_else_s(
    applier: Applier, api: FakeApi
) -> None:
    api.refuse = lambda verb, ref: (
        InvalidError(f"{verb} {ref}", "limits below requests", 422) if ref.name == "bad" else None
    )
    outcome = await run(
        applier,
        api,
        deployment("bad", "sage"),
        deployment("bad-service", "sage"),
        deployment("good", "jester"),
        deployment("routes"),
    )
    assert [ref.name for ref in api.objects] == ["good", "routes"]
    (error,) = outcome.refused
    assert str(error) == (
        "cannot apply Deployment bad: limits below requests; correct the field in the spec that "
        "this comes from"
    )


async def test_a_refusal_of_what_is_no_member_s_ends_the_run(
    applier: Applier, api: FakeApi
) -> None:
    api.refuse = lambda verb, ref: ForbiddenError(f"{verb} {ref}", "no", 403)
    outcome = await run(applier, api, deployment("a"), deployment("b"))
    assert len(outcome.refused) == 1


async def test_an_api_server_that_is_away_is_no_refusal(applier: Applier, api: FakeApi) -> None:
    api.cut = True
    with pytest.raises(UnavailableError):
        await run(applier, api, deployment("a"))


async def test_deleting_what_is_gone_or_another_s_is_fine(applier: Applier, api: FakeApi) -> None:
    stays = api.put(deployment("stays"))
    goes = api.put(deployment("goes"))
    outcome = Outcome()
    await applier.delete(
        [
            Delete(Ref.of(stays), "another-uid"),
            Delete(Ref.of(deployment("gone")), "uid"),
            Delete(Ref.of(goes), goes["metadata"]["uid"]),
        ],
        outcome,
    )
    assert [ref.name for ref in api.objects] == ["stays"]
    assert outcome.written == ["delete Deployment goes"]


def world(**status: Any) -> Object:
    metadata = {"name": "ember", "namespace": "play", "uid": "u1", "resourceVersion": "5"}
    kind = {"apiVersion": "fabula.dev/v1alpha1", "kind": "World"}
    return {**kind, "metadata": metadata, "status": status}


async def test_a_status_is_written_only_when_it_changed_and_never_with_the_request(
    applier: Applier, api: FakeApi
) -> None:
    request = {"action": "Reconcile", "id": "1"}
    raw = api.put(world(observedGeneration=1, request=request))
    outcome = Outcome()
    await applier.status(raw, {"observedGeneration": 1, "request": request}, outcome)
    await applier.status(raw, {"observedGeneration": 1}, outcome)
    assert outcome.written == []
    await applier.status(raw, {"observedGeneration": 2, "request": request}, outcome)
    assert outcome.written == ["status"]
    assert api.of("World")[0]["status"] == {"observedGeneration": 2, "request": request}


async def test_the_status_of_a_later_object_of_the_same_name_is_left_alone(
    applier: Applier, api: FakeApi
) -> None:
    raw = copy.deepcopy(api.put(world()))
    api.drop(Ref.of(raw))
    api.put({**world(), "metadata": {**world()["metadata"], "uid": "u2"}})
    outcome = Outcome()
    await applier.status(raw, {"observedGeneration": 1}, outcome)
    assert outcome.written == []


async def test_an_event_that_cannot_be_posted_changes_nothing_else(
    applier: Applier, api: FakeApi
) -> None:
    api.refuse = lambda verb, ref: ForbiddenError(f"{verb} {ref}", "no", 403)
    outcome = Outcome()
    await applier.tell([Event("Normal", "A", "b")], world(), "5", outcome)
    assert outcome == Outcome()
