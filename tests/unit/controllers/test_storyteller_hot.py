"""A World that drops its hot store loses no session before a person says so."""

from typing import Any

from controllers.observed import StorytellerObserved
from controllers.plan import Object, Plan
from controllers.storyteller import plan
from tests.unit.controllers.builders import NOW, condition, live, storyteller, world
from tests.unit.controllers.test_storyteller import (
    HOT,
    OTHER,
    RUNNING,
    YES,
    found,
    observe,
    on_redis,
    shared,
)


def dropped(status: Object | None = None, **more: Any) -> StorytellerObserved:
    """Three gateways over a Redis that the World names no more."""
    children = live(plan(shared(), NOW))
    made = storyteller(status, worldRef="emberfall", replicas=3)
    return observe(
        made,
        **{
            "world": world(),
            "children": children,
            "pods": (RUNNING,) * 3,
            "reports": on_redis(YES, OTHER),
            **more,
        },
    )


def asked(action: str, **last: str) -> Object:
    status: Object = {"request": {"action": action, "id": "one"}}
    if last:
        when = {"at": "2026-11-23T11:00:00Z", "outcome": "Done", "message": "", "action": action}
        status["lastRequest"] = {**when, **last}
    return status


def uses_redis(result: Plan) -> bool:
    return "FABULA_REDIS_URL_FILE" in str(found(result, "StatefulSet"))


def test_the_gateways_go_on_with_it_and_the_remedy_is_said() -> None:
    result = plan(dropped(), NOW)
    assert uses_redis(result)
    assert found(result, "StatefulSet")["spec"]["replicas"] == 3
    assert result.delete == ()
    said = condition(result, "Stalled")
    assert (said.status, said.reason) == ("True", "HotStoreDropped")
    assert condition(result).status == "True"
    for words in ("World emberfall", "Redis of Secret redis", "spec.stores.hot.redis", "patch st"):
        assert words in said.message


def test_a_storyteller_that_leaves_its_world_keeps_its_sessions_too() -> None:
    result = plan(dropped(), NOW)
    alone = storyteller(replicas=1)
    left = plan(
        observe(alone, children=live(result), pods=(RUNNING,), reports=on_redis(YES, OTHER)), NOW
    )
    assert uses_redis(left)
    assert condition(left, "Stalled").reason == "HotStoreDropped"


def test_who_asks_for_it_leaves_the_sessions_and_is_answered() -> None:
    before = dropped(asked("LeaveSessions"))
    result = plan(before, NOW)
    assert not uses_redis(result)
    assert found(result, "StatefulSet")["spec"]["replicas"] == 1
    assert result.status is not None
    assert result.status.last_request is not None
    assert result.status.last_request.outcome == "Done"
    after = plan(
        dropped(asked("LeaveSessions", id="one"), children=live(result, before.children)), NOW
    )
    assert not uses_redis(after)
    assert condition(after).reason != "HotStoreDropped"


def test_an_answered_request_leaves_no_later_hot_store() -> None:
    result = plan(dropped(asked("LeaveSessions", id="one")), NOW)
    assert uses_redis(result)
    assert condition(result, "Stalled").reason == "HotStoreDropped"


def test_a_hot_store_that_is_named_is_not_left() -> None:
    result = plan(dropped(asked("LeaveSessions"), world=world(**HOT)), NOW)
    assert uses_redis(result)
    assert result.status is not None
    assert result.status.last_request is not None
    assert result.status.last_request.outcome == "Refused"
    assert condition(result, "Stalled").status == "False"
