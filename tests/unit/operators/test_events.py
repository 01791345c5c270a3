"""An Event is told once for each time that something happened."""

import copy

from controllers.plan import Event, Object
from operators.events import CAUSE, MAX_MESSAGE, Recorder
from operators.faults import Fault
from operators.metrics import Metrics
from operators.writer import Writer
from tests.unit.operators.fakes import NOW, FakeApi

WORLD: Object = {
    "apiVersion": "fabula.dev/v1alpha1",
    "kind": "World",
    "metadata": {"name": "ember", "namespace": "play", "uid": "u1", "resourceVersion": "5"},
}
READY = Event("Normal", "Ready", "all is well")


def recorder(api: FakeApi) -> Recorder:
    return Recorder(Writer(api, lambda: 5.0, Metrics(), Fault(None)), "operator-0", lambda: NOW)


async def test_an_event_names_the_object_and_who_tells() -> None:
    api = FakeApi()
    assert await recorder(api).post(READY, WORLD, cause="5")
    (event,) = api.of("Event")
    assert event["involvedObject"] == {
        "apiVersion": "fabula.dev/v1alpha1",
        "kind": "World",
        "namespace": "play",
        "name": "ember",
        "uid": "u1",
    }
    assert (event["reportingComponent"], event["reportingInstance"]) == ("fabula", "operator-0")
    assert (event["reason"], event["message"], event["count"]) == ("Ready", "all is well", 1)


async def test_a_replay_after_a_kill_tells_nothing_new() -> None:
    api = FakeApi()
    await recorder(api).post(READY, WORLD, cause="5")
    before = copy.deepcopy(api.objects)
    assert not await recorder(api).post(READY, WORLD, cause="5")
    assert api.objects == before
    assert len(api.writes) == 1


async def test_the_same_thing_at_another_time_is_counted() -> None:
    api = FakeApi()
    await recorder(api).post(READY, WORLD, cause="5")
    assert await recorder(api).post(READY, WORLD, cause="9")
    assert not await recorder(api).post(READY, WORLD, cause="9")
    (event,) = api.of("Event")
    assert event["count"] == 2
    assert event["metadata"]["annotations"] == {CAUSE: "9"}


async def test_different_things_are_different_events() -> None:
    api = FakeApi()
    await recorder(api).post(READY, WORLD, cause="5")
    await recorder(api).post(Event("Warning", "Ready", "all is well"), WORLD, cause="5")
    await recorder(api).post(Event("Normal", "Ready", "all is better"), WORLD, cause="5")
    assert len(api.of("Event")) == 3


async def test_a_long_message_is_cut_to_what_the_api_server_takes() -> None:
    api = FakeApi()
    await recorder(api).post(Event("Normal", "Long", "x" * 5000), WORLD, cause="5")
    assert len(api.of("Event")[0]["message"]) == MAX_MESSAGE
