"""At most one leads, whatever happens to clocks, networks and processes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from controllers.plan import Ref
from operators.errors import NotLeaderError
from operators.kube import Allowance
from operators.lease import Elector, Terms, lease_ref
from operators.metrics import Metrics
from tests.unit.operators.fakes import FakeApi, half

pytestmark = pytest.mark.looptime

REF = lease_ref("fabula-system", "fabula-operator")


def now() -> float:
    return asyncio.get_running_loop().time()


class Network:
    """One operator's way to the API server; it can be cut, or stop answering."""

    def __init__(self, api: FakeApi) -> None:
        self._api = api
        self.frozen = False
        self.answers_lost = False

    async def get(self, ref: Ref) -> Any:
        await self._travel()
        return await self._api.get(ref)

    async def create(self, obj: Any, *, allowance: Allowance | None = None) -> Any:
        await self._travel()
        return await self._api.create(obj)

    async def replace(self, obj: Any, *, allowance: Allowance | None = None) -> Any:
        await self._travel()
        answer = await self._api.replace(obj)
        if self.answers_lost:
            await asyncio.Event().wait()
        return answer

    async def _travel(self) -> None:
        if self.frozen:
            await asyncio.Event().wait()


class Candidate:
    def __init__(self, api: FakeApi, identity: str, clock: Callable[[], float]) -> None:
        self.network = Network(api)
        self.changes: list[tuple[float, bool]] = []
        self.elector = Elector(
            self.network,
            Terms(REF, identity),
            Metrics(),
            lambda leading: self.changes.append((now(), leading)),
            clock=clock,
            rng=half,
        )
        self.task = asyncio.create_task(self.elector.run())

    async def kill(self) -> None:
        """As kill -9: nothing is given back."""
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task

    def may_write(self) -> bool:
        try:
            return self.elector.allowance() > 0
        except NotLeaderError:
            return False


Stand = Callable[..., Candidate]


async def until(condition: Callable[[], bool]) -> None:
    """At most 100 seconds, by the clock of the loop."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.1)
    raise AssertionError("it does not become true")


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


@pytest.fixture
async def stand(api: FakeApi) -> AsyncIterator[Stand]:
    candidates: list[Candidate] = []

    def make(identity: str, clock: Callable[[], float] = now) -> Candidate:
        candidates.append(Candidate(api, identity, clock))
        return candidates[-1]

    yield make
    for candidate in candidates:
        await candidate.kill()


async def test_one_candidate_leads_at_once_and_keeps_leading(stand: Stand, api: FakeApi) -> None:
    one = stand("one")
    await asyncio.sleep(1)
    assert one.may_write()
    await asyncio.sleep(600)
    assert one.may_write()
    assert [leading for _, leading in one.changes] == [True]
    spec = api.objects[REF]["spec"]
    assert (spec["holderIdentity"], spec["leaseTransitions"]) == ("one", 0)


async def test_of_two_only_one_ever_leads(stand: Stand) -> None:
    one, two = stand("one"), stand("two")
    for _ in range(600):
        await asyncio.sleep(0.5)
        assert one.may_write() + two.may_write() == 1


async def test_a_killed_leader_is_followed_within_20_seconds(stand: Stand) -> None:
    one = stand("one")
    await asyncio.sleep(1)
    two = stand("two")
    await asyncio.sleep(99.9)
    await one.kill()
    killed = now()
    await asyncio.sleep(20)
    assert two.may_write()
    gained, leading = two.changes[0]
    assert leading
    assert 10 < gained - killed < 18


async def test_a_leader_that_stops_gives_the_lease_to_the_next_at_once(
    stand: Stand, api: FakeApi
) -> None:
    one = stand("one")
    await asyncio.sleep(1)
    two = stand("two")
    await asyncio.sleep(30)
    await one.kill()
    await one.elector.release()
    assert not one.may_write()
    stopped = now()
    await asyncio.sleep(3)
    assert two.may_write()
    assert two.changes[0][0] - stopped < 3
    assert api.objects[REF]["spec"]["leaseTransitions"] == 1


async def test_a_restarted_process_of_the_same_name_leads_again_at_once(stand: Stand) -> None:
    one = stand("one")
    await asyncio.sleep(30)
    await one.kill()
    again = stand("one")
    await asyncio.sleep(1)
    assert again.may_write()


@pytest.mark.parametrize("trouble", ["refused", "silence", "answers lost"])
async def test_a_leader_that_is_cut_off_stops_writing_before_its_lease_ends(
    stand: Stand, api: FakeApi, trouble: str
) -> None:
    one = stand("one")
    await asyncio.sleep(1)
    two = stand("two")
    await asyncio.sleep(60)
    cut = now()
    if trouble == "answers lost":
        one.network.answers_lost = True
    else:
        one.network.frozen = True
    await until(lambda: not one.may_write())
    stopped = now()
    # A write that started last ends 5 s later, still within the 15 s of the Lease.
    assert stopped - cut <= 10.2
    # A Lease whose renewals arrive and whose answers are lost is renewed all the same.
    one.network.frozen = True
    await until(two.may_write)
    assert now() - stopped >= 5 - 0.2
    one.network.frozen = one.network.answers_lost = False
    await asyncio.sleep(60)
    assert not one.may_write()
    assert two.may_write()


async def test_a_leader_that_was_suspended_writes_nothing_when_it_wakes(stand: Stand) -> None:
    asleep = 0.0
    one = stand("one", clock=lambda: now() + asleep)
    await asyncio.sleep(1)
    assert one.may_write()
    asleep = 11.0
    assert not one.may_write()
    asleep = 3600.0
    assert not one.elector.leading


async def test_it_leads_again_when_the_api_server_is_back(stand: Stand) -> None:
    one = stand("one")
    await asyncio.sleep(1)
    one.network.frozen = True
    await asyncio.sleep(60)
    assert not one.may_write()
    assert one.elector.silence > 50
    one.network.frozen = False
    await asyncio.sleep(10)
    assert one.may_write()
    assert one.elector.silence < 5
    assert [leading for _, leading in one.changes] == [True, False, True]


@pytest.mark.parametrize("skew", [-3600.0, 3600.0])
async def test_clocks_of_others_are_not_believed(stand: Stand, api: FakeApi, skew: float) -> None:
    """Another's renewTime far in the past or future changes nothing: it is only seen to change."""
    one = stand("one", clock=lambda: now() + skew)
    await asyncio.sleep(1)
    api.objects[REF]["spec"]["renewTime"] = "1999-01-01T00:00:00.000000Z"
    two = stand("two")
    for _ in range(200):
        await asyncio.sleep(0.5)
        assert one.may_write()
        assert not two.may_write()


async def test_a_lease_that_vanishes_is_made_again(stand: Stand, api: FakeApi) -> None:
    one = stand("one")
    await asyncio.sleep(5)
    api.drop(REF)
    await asyncio.sleep(5)
    assert one.may_write()
    assert REF in api.objects


async def test_a_lease_that_somebody_takes_ends_leadership_at_the_next_look(
    stand: Stand, api: FakeApi
) -> None:
    one = stand("one")
    await asyncio.sleep(5)
    lease = api.objects[REF]
    api.put({**lease, "spec": {**lease["spec"], "holderIdentity": "thief", "renewTime": "now"}})
    await asyncio.sleep(3)
    assert not one.may_write()


async def test_a_stranger_s_longer_lease_is_respected(stand: Stand, api: FakeApi) -> None:
    api.put(
        {
            "apiVersion": REF.api_version,
            "kind": "Lease",
            "metadata": {"name": REF.name, "namespace": REF.namespace},
            "spec": {"holderIdentity": "other", "leaseDurationSeconds": 60, "renewTime": "x"},
        }
    )
    one = stand("one")
    await asyncio.sleep(59)
    assert not one.may_write()
    await asyncio.sleep(3)
    assert one.may_write()
