"""Everything is looked at when leadership begins, and then again and again."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from controllers.plan import Ref
from crds import API_VERSION
from operators.resync import Resync
from tests.unit.operators.fakes import FakeApi, half

pytestmark = pytest.mark.looptime


class Setting:
    def __init__(self, *namespaces: str | None) -> None:
        self.api = FakeApi()
        self.noticed: list[tuple[str, float]] = []
        self.resync = Resync(self.api, namespaces, self._notice, 100, half)
        self.task = asyncio.create_task(self.resync.run())

    def _notice(self, ref: Ref, after: float) -> None:
        self.noticed.append((f"{ref.namespace}/{ref.name}", after))

    def world(self, namespace: str, name: str) -> None:
        metadata = {"namespace": namespace, "name": name}
        self.api.put({"apiVersion": API_VERSION, "kind": "World", "metadata": metadata})


@pytest.fixture
async def setting() -> AsyncIterator[Setting]:
    made = Setting(None)
    made.world("play", "ember")
    yield made
    made.task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await made.task


async def test_nothing_is_listed_without_the_lead(setting: Setting) -> None:
    await asyncio.sleep(1000)
    assert setting.api.requests == []


async def test_everything_at_once_first_and_spread_later(setting: Setting) -> None:
    setting.resync.resume()
    await asyncio.sleep(1)
    assert setting.noticed == [("play/ember", 0.0)]
    await asyncio.sleep(210)
    assert setting.noticed[1:] == [("play/ember", 50.0)] * 2


async def test_regained_leadership_begins_anew_at_once(setting: Setting) -> None:
    setting.resync.resume()
    await asyncio.sleep(1)
    setting.resync.pause()
    await asyncio.sleep(10)
    setting.resync.resume()
    await asyncio.sleep(2)
    assert setting.noticed == [("play/ember", 0.0)] * 2


async def test_a_list_that_fails_is_tried_again_soon(setting: Setting) -> None:
    setting.api.cut = True
    setting.resync.resume()
    await asyncio.sleep(5)
    setting.api.cut = False
    await asyncio.sleep(10)
    assert setting.noticed == [("play/ember", 0.0)]


async def test_only_the_namespaces_that_are_watched() -> None:
    setting = Setting("play", "work")
    for namespace in ("play", "work", "secret"):
        setting.world(namespace, "w")
    setting.resync.resume()
    await asyncio.sleep(1)
    setting.task.cancel()
    assert [name for name, _ in setting.noticed] == ["play/w", "work/w"]
