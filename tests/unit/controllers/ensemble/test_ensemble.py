"""What a ModelEnsemble becomes, step by step, without a cluster."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from controllers.ensemble import plan
from controllers.ensemble.routes import context_tokens
from controllers.observed import EnsembleObserved
from controllers.plan import Children, Defaults, Object, Plan
from crds.engines import Engine
from crds.ensemble import ModelEnsemble
from tests.unit.controllers.builders import (
    DEFAULTS,
    NOW,
    condition,
    ensemble,
    hosted,
    live,
    llamacpp,
    world,
)


def observe(made: ModelEnsemble, children: Children | None = None, **more: Any) -> EnsembleObserved:
    return EnsembleObserved(
        ensemble=made,
        defaults=more.pop("defaults", DEFAULTS),
        children=children or Children(),
        **more,
    )


def settle(
    made: ModelEnsemble, children: Children | None = None, now: datetime = NOW, **more: Any
) -> tuple[Plan, Children]:
    """Plan until nothing changes but time."""
    children = children or Children()
    for _ in range(4):
        result = plan(observe(made, children, **more), now)
        children = live(result, children)
    return result, children


def names(result: Plan, kind: str) -> list[str]:
    return [obj["metadata"]["name"] for obj in result.apply if obj["kind"] == kind]


def routes(result: Plan) -> dict[str, Any]:
    table = next(obj for obj in result.apply if obj["metadata"]["name"] == "narrators-routes")
    return {route["member"]: route for route in json.loads(table["data"]["routes.json"])["routes"]}


def test_each_member_gets_a_revision_a_deployment_a_service_and_a_budget() -> None:
    result = plan(observe(ensemble()), NOW)
    kinds = [obj["kind"] for obj in result.apply]
    assert kinds.count("ControllerRevision") == kinds.count("Deployment") == 2
    assert kinds.count("Service") == kinds.count("PodDisruptionBudget") == 2
    assert kinds[-1] == "ConfigMap"
    assert all(obj["metadata"]["ownerReferences"][0]["uid"] == "me-1" for obj in result.apply)


def test_is_not_ready_until_a_token_was_generated() -> None:
    result = plan(observe(ensemble()), NOW)
    assert condition(result).status == "False"
    assert condition(result).reason == "MembersStarting"
    assert condition(result, "Reconciling").status == "True"
    assert result.again_in is not None


def test_is_ready_when_every_member_is() -> None:
    result, _ = settle(ensemble())
    assert condition(result).status == "True"
    assert condition(result).message == "2 of 2 members can answer"
    assert result.again_in is None


def test_planning_twice_gives_the_same_objects() -> None:
    _, children = settle(ensemble())
    first = plan(observe(ensemble(), children), NOW)
    second = plan(observe(ensemble(), children), NOW + timedelta(hours=1))
    assert first.apply == second.apply
    assert second.delete == ()


def test_a_new_default_restarts_no_model() -> None:
    _, children = settle(ensemble())
    other = Defaults("fabula.dev/engine:next", "vllm:next", "gateway:next", "Always")
    result = plan(observe(ensemble(), children, defaults=other), NOW)
    for deployment in (obj for obj in result.apply if obj["kind"] == "Deployment"):
        before = children.get("Deployment", deployment["metadata"]["name"])
        assert before is not None
        assert before["spec"]["template"] == deployment["spec"]["template"]


def test_editing_a_member_rolls_only_that_member() -> None:
    _, children = settle(ensemble())
    edited = ensemble(llamacpp("chronicler", weight=4), llamacpp("jester", role="You joke."))
    result = plan(observe(edited, children), NOW)
    assert len(names(result, "Deployment")) == 3
    new = set(names(result, "Deployment")) - {o["metadata"]["name"] for o in children}
    assert [name.rsplit("-", 1)[0] for name in new] == ["narrators-jester"]


def test_the_old_revision_answers_until_the_new_one_is_ready() -> None:
    _, children = settle(ensemble())
    old = routes(plan(observe(ensemble(), children), NOW))["jester"]["revision"]
    edited = ensemble(
        llamacpp("chronicler", weight=4), llamacpp("jester", weight=9, role="You joke.")
    )
    result = plan(observe(edited, children), NOW)
    children = live(result, children, ready=lambda name: int(name.endswith(old)))
    result = plan(observe(edited, children), NOW)
    assert routes(result)["jester"]["revision"] == old
    assert routes(result)["jester"]["weight"] == 9
    assert "role" not in routes(result)["jester"]
    children = live(result, children)
    result = plan(observe(edited, children), NOW)
    assert routes(result)["jester"]["revision"] != old
    assert routes(result)["jester"]["role"] == "You joke."


def test_the_old_revision_goes_only_after_gateways_had_time_to_notice() -> None:
    _, children = settle(ensemble())
    edited = ensemble(llamacpp("chronicler", weight=4), llamacpp("jester", role="You joke."))
    result, children = settle(edited, children)
    assert result.delete == ()
    assert result.again_in == pytest.approx(10)
    result = plan(observe(edited, children), NOW + timedelta(seconds=11))
    assert sorted(gone.ref.kind for gone in result.delete) == ["Deployment", "Service"]
    assert all(gone.ref.name.startswith("narrators-jester-") for gone in result.delete)


def test_a_removed_member_leaves_nothing_behind() -> None:
    _, children = settle(ensemble())
    one = ensemble(llamacpp("chronicler", weight=4))
    for later in (0, 11, 22):
        result = plan(observe(one, children), NOW + timedelta(seconds=later))
        children = live(result, children)
    assert not [o for o in children if o["metadata"]["labels"].get("fabula.dev/member") == "jester"]


def test_only_a_few_old_revisions_are_kept() -> None:
    children = Children()
    now = NOW
    for number in range(9):
        edited = ensemble(llamacpp("jester", role=f"Joke {number}."))
        _, children = settle(edited, children, now)
        now += timedelta(seconds=11)
        _, children = settle(edited, children, now)
    stored = children.of("ControllerRevision")
    assert len(stored) == 6
    assert max(int(obj["revision"]) for obj in stored) == 9


def test_returning_to_an_old_spec_returns_to_the_stored_revision() -> None:
    first, children = settle(ensemble(llamacpp("jester")))
    _, children = settle(ensemble(llamacpp("jester", role="Joke.")), children)
    again, children = settle(ensemble(llamacpp("jester")), children, NOW + timedelta(seconds=30))
    assert routes(again)["jester"]["revision"] == routes(first)["jester"]["revision"]


def test_a_hosted_member_has_a_route_and_no_pod() -> None:
    result = plan(observe(ensemble(hosted("oracle"))), NOW)
    assert [obj["kind"] for obj in result.apply] == ["ControllerRevision", "ConfigMap"]
    assert routes(result)["oracle"]["keyFile"] == "/var/run/fabula/keys/oracle/api-key"
    assert condition(result).status == "True"


def test_gateways_are_told_prices_and_how_much_fits() -> None:
    price = {"inputPerMillionUSD": "0.1", "outputPerMillionUSD": "0.2"}
    result, _ = settle(ensemble(llamacpp("jester", price=price), hosted("oracle")))
    assert routes(result)["jester"]["price"] == price
    assert routes(result)["jester"]["contextTokens"] == 2048, "shared by two at a time"
    assert not {"price", "contextTokens"} & routes(result)["oracle"].keys()


def test_a_stopped_member_is_not_asked() -> None:
    made = ensemble(llamacpp("chronicler"), llamacpp("jester", scaling={"minReplicas": 0}))
    result, _ = settle(made)
    assert set(routes(result)) == {"chronicler"}
    assert condition(result).message == "1 of 2 members can answer"


def test_a_missing_world_is_named_and_the_members_run_all_the_same() -> None:
    made = ensemble(llamacpp("jester"), worldRef="emberfall")
    result, children = settle(made)
    assert condition(result).reason == "WorldNotFound"
    assert "spec.worldRef names World emberfall" in condition(result).message
    result = plan(observe(made, children, world=world()), NOW)
    assert condition(result).status == "True"


def broken_pod(member: str, rev: str, state: Object) -> Object:
    labels = {"fabula.dev/ensemble": "narrators", "fabula.dev/member": member}
    return {
        "metadata": {
            "name": "pod-1",
            "labels": {
                **labels,
                "fabula.dev/revision": rev,
                "app.kubernetes.io/managed-by": "fabula",
                "app.kubernetes.io/part-of": "fabula",
                "app.kubernetes.io/name": "engine",
            },
        },
        "status": {"containerStatuses": [{"image": "no/such:image", "ready": False, **state}]},
    }


def test_a_missing_image_is_named_and_stalls() -> None:
    made = ensemble(llamacpp("jester", image="no/such:image"))
    first = plan(observe(made), NOW)
    rev = routes(first)["jester"]["revision"]
    waiting = {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}}
    pods = (broken_pod("jester", rev, waiting),)
    children = live(first, ready=lambda _: 0)
    result = plan(observe(made, children, pods=pods), NOW)
    assert condition(result).reason == "ImageUnavailable"
    assert "jester: image no/such:image cannot be pulled" in condition(result).message
    assert condition(result, "Stalled").status == "True"
    result = plan(observe(made, live(result, children)), NOW)
    assert condition(result).status == "True"


def test_a_crash_shows_the_last_words_of_the_engine() -> None:
    made = ensemble(llamacpp("jester"))
    first = plan(observe(made), NOW)
    rev = routes(first)["jester"]["revision"]
    ended = {"exitCode": 2, "reason": "Error", "message": "loading\nunknown argument --bogus\n"}
    state = {
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": ended},
    }
    children = live(first, ready=lambda _: 0)
    result = plan(observe(made, children, pods=(broken_pod("jester", rev, state),)), NOW)
    assert condition(result).reason == "CrashLooping"
    assert "unknown argument --bogus" in condition(result).message


def test_a_child_of_somebody_else_is_never_forced() -> None:
    first = plan(observe(ensemble()), NOW)
    theirs = {**first.apply[1], "metadata": {**first.apply[1]["metadata"]}}
    theirs["metadata"]["ownerReferences"] = [
        {"kind": "Rollout", "name": "x", "uid": "other", "controller": True}
    ]
    result = plan(observe(ensemble(), Children([theirs])), NOW)
    assert condition(result).reason == "ChildConflict"
    assert condition(result, "Stalled").status == "True"
    assert theirs["metadata"]["name"] not in names(result, theirs["kind"])


def test_children_of_an_earlier_object_of_the_same_name_are_waited_for() -> None:
    _, children = settle(ensemble())
    again = ensemble().model_copy(
        update={"metadata": ensemble().metadata.model_copy(update={"uid": "me-2"})}
    )
    result = plan(observe(again, children), NOW)
    assert condition(result).reason == "WaitingForDeletion"
    assert result.apply == ()


def test_an_object_on_its_way_out_is_left_to_garbage_collection() -> None:
    made = ensemble()
    leaving = made.model_copy(
        update={"metadata": made.metadata.model_copy(update={"deletion_timestamp": "now"})}
    )
    assert plan(observe(leaving), NOW) == Plan()


def test_vllm_is_rendered_as_its_user_would() -> None:
    engine = {"vllm": {"model": {"repository": "org/big"}, "tensorParallel": 8}}
    made = ensemble(
        {"name": "sage", "engine": engine, "resources": {"limits": {"nvidia.com/gpu": 8}}}
    )
    deployment = next(obj for obj in plan(observe(made), NOW).apply if obj["kind"] == "Deployment")
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert container["command"] == ["vllm", "serve"]
    assert container["args"][0] == "org/big"
    line = " ".join(container["args"])
    assert "--tensor-parallel-size 8" in line
    assert "--served-model-name sage" in line
    assert "--shutdown-timeout 60" in line
    assert container["resources"] == {"limits": {"nvidia.com/gpu": "8"}, "requests": {}}
    assert container["startupProbe"]["exec"]["command"][:2] == ["python3", "-c"]


def test_a_request_is_answered_once() -> None:
    asked = {"request": {"action": "Reconcile", "id": "one"}}
    result = plan(observe(ensemble(status=asked)), NOW)
    assert result.status is not None
    assert result.status.last_request is not None
    assert result.status.last_request.id == "one"
    later = {**asked, "lastRequest": result.status.last_request.dump()}
    again = plan(observe(ensemble(status=later)), NOW + timedelta(hours=1))
    assert again.status is not None
    assert again.status.last_request == result.status.last_request


def test_events_tell_what_changed_and_only_then() -> None:
    result, children = settle(ensemble())
    assert {event.reason for event in result.events} == {"MembersReady", "MemberServing"}
    assert result.status is not None
    calm = ensemble(status=result.status.dump())
    assert plan(observe(calm, children), NOW).events == ()


def test_members_that_do_not_count_make_no_quorum() -> None:
    made = ensemble(llamacpp("one"), llamacpp("two"), llamacpp("three", weight=0))
    result = plan(observe(made), NOW)
    table = next(o for o in result.apply if o["metadata"]["name"] == "narrators-routes")
    assert json.loads(table["data"]["routes.json"])["minimumVotes"] == 1


def test_gateways_are_told_the_method_with_all_that_it_needs() -> None:
    judged = {"method": "Judge", "judge": "jester", "minimumConfidencePercent": 30}
    table = json.loads(
        plan(observe(ensemble(consensus=judged)), NOW).apply[-1]["data"]["routes.json"]
    )
    assert {name: table[name] for name in judged} == judged


def test_one_answer_is_enough_where_the_first_is_taken() -> None:
    made = ensemble(*map(llamacpp, "abcd"), consensus={"method": "First"})
    table = plan(observe(made), NOW).apply[-1]
    assert json.loads(table["data"]["routes.json"])["minimumVotes"] == 1


def budget(name: str, **metadata: Any) -> Object:
    meta = {"name": name, "namespace": "play", "uid": "theirs", **metadata}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta}


@pytest.mark.parametrize("labels", [{}, {"fabula.dev/ensemble": "narrators"}])
def test_what_others_own_is_never_deleted(labels: Object) -> None:
    """Not even where it carries our labels or the name of a child."""
    _, children = settle(ensemble())
    theirs = [
        budget("narrators-jester", labels=labels) if labels else budget("narrators-jester"),
        budget("narrators-other", labels=labels),
    ]
    mixed = Children([*(o for o in children if o["kind"] != "PodDisruptionBudget"), *theirs])
    result = plan(observe(ensemble(), mixed), NOW + timedelta(hours=1))
    assert result.delete == ()
    assert condition(result).reason == "ChildConflict"


def test_a_revision_that_somebody_else_stored_is_not_believed() -> None:
    first = plan(observe(ensemble()), NOW)
    stored = next(o for o in first.apply if o["kind"] == "ControllerRevision")
    evil = {
        **stored,
        "metadata": {"name": stored["metadata"]["name"], "namespace": "play", "uid": "evil"},
        "data": {"template": {"spec": {"hostPID": True}}},
    }
    result = plan(observe(ensemble(), Children([evil])), NOW)
    assert condition(result).reason == "ChildConflict"
    assert stored["metadata"]["name"] not in names(result, "Deployment")
    assert len(names(result, "Deployment")) == 1


def test_a_child_that_lost_its_labels_is_restored_and_not_deleted() -> None:
    _, children = settle(ensemble())
    bare = [
        {**o, "metadata": {k: v for k, v in o["metadata"].items() if k != "labels"}}
        for o in children
    ]
    result = plan(observe(ensemble(), Children(bare)), NOW + timedelta(hours=1))
    assert result.delete == ()
    assert condition(result).status == "True"


def test_stopped_members_make_no_quorum() -> None:
    none = {"minReplicas": 0}
    made = ensemble(llamacpp("a"), llamacpp("b", scaling=none), llamacpp("c", scaling=none))
    table = plan(observe(made), NOW).apply[-1]
    assert json.loads(table["data"]["routes.json"])["minimumVotes"] == 1


@pytest.mark.parametrize(
    ("engine", "tokens"),
    [
        ({"llamacpp": {"model": {"package": "p"}}}, 2048),
        ({"llamacpp": {"model": {"package": "p"}, "contextTokens": 6000, "parallel": 4}}, 1500),
        ({"vllm": {"model": {"repository": "a/b"}, "contextTokens": 32768}}, 32768),
        ({"vllm": {"model": {"repository": "a/b"}}}, None),
    ],
)
def test_a_route_says_how_much_one_request_may_hold(engine: Object, tokens: int | None) -> None:
    assert context_tokens(Engine.model_validate(engine)) == tokens
