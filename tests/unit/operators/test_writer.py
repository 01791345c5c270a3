"""Every write passes the fence, is counted, and can be made the last."""

import pytest

from controllers.plan import Object, Ref
from operators.errors import NotLeaderError
from operators.faults import Fault, KillAt
from operators.metrics import Metrics
from operators.writer import Writer
from tests.unit.operators.fakes import FakeApi

OBJ: Object = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "a", "namespace": "play"},
}


class KilledError(BaseException):
    """Stands for SIGKILL: nothing catches it."""


def die() -> None:
    raise KilledError


def writer(api: FakeApi, at: KillAt | None = None, leads: bool = True) -> Writer:
    def allowance() -> float:
        if not leads:
            raise NotLeaderError("not held")
        return 5.0

    return Writer(api, allowance, Metrics(), Fault(at, die))


async def test_nothing_is_sent_without_the_lease() -> None:
    api = FakeApi()
    fenced = writer(api, leads=False)
    status = {**OBJ, "status": {}}
    for write in (
        fenced.apply(OBJ),
        fenced.apply_status(status),
        fenced.create(OBJ),
        fenced.merge_patch(Ref.of(OBJ), {}),
        fenced.delete(Ref.of(OBJ), "uid"),
    ):
        with pytest.raises(NotLeaderError):
            await write
    assert api.requests == []


async def test_leadership_lost_between_two_tries_stops_the_second() -> None:
    api = FakeApi()
    asked = 0

    def allowance() -> float:
        nonlocal asked
        asked += 1
        if asked > 1:
            raise NotLeaderError("not held")
        return 5.0

    with pytest.raises(NotLeaderError):
        await Writer(api, allowance, Metrics(), Fault(None)).apply(OBJ)
    assert api.writes == []


async def test_writes_are_counted_by_verb_and_kind() -> None:
    metrics = Metrics()
    counting = Writer(FakeApi(), lambda: 5.0, metrics, Fault(None))
    await counting.apply(OBJ)
    await counting.apply(OBJ)
    labels = {"verb": "apply", "kind": "ConfigMap"}
    assert metrics.registry.get_sample_value("fabula_writes_total", labels) == 2


async def test_the_switch_kills_before_or_after_the_chosen_write() -> None:
    api = FakeApi()
    doomed = writer(api, KillAt.parse("2:before"))
    await doomed.apply(OBJ)
    with pytest.raises(KilledError):
        await doomed.apply(OBJ)
    assert len(api.writes) == 1

    api = FakeApi()
    with pytest.raises(KilledError):
        await writer(api, KillAt.parse("1:after")).apply(OBJ)
    assert len(api.writes) == 1
