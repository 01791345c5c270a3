"""Group commit: everyone waits for the disk once, in order."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from runtime.groupcommit import BacklogFullError, GroupCommit
from tests.unit.runtime.stubs.waiting import eventually


async def test_what_arrives_during_a_write_goes_together_in_the_next() -> None:
    batches: list[list[int]] = []
    first_may_end = threading.Event()

    def write(items: Sequence[int]) -> list[int]:
        batches.append(list(items))
        if len(batches) == 1:
            first_may_end.wait(5)
        return [item * 10 for item in items]

    commit = GroupCommit("test", write)
    first = asyncio.create_task(commit.submit(1))
    await eventually(lambda: batches)
    others = [asyncio.create_task(commit.submit(item)) for item in (2, 3, 4)]
    await asyncio.sleep(0)
    first_may_end.set()
    assert await asyncio.gather(first, *others) == [10, 20, 30, 40]
    assert batches == [[1], [2, 3, 4]]
    await commit.close()


async def test_a_failed_write_fails_its_batch_and_no_other() -> None:
    def write(items: Sequence[str]) -> list[str]:
        if "bad" in items:
            raise OSError("No space left on device")
        return list(items)

    commit = GroupCommit("test", write)
    with pytest.raises(OSError, match="No space"):
        await commit.submit("bad")
    assert await commit.submit("good") == "good"
    await commit.close()


async def test_a_disk_that_does_not_keep_up_is_said_so() -> None:
    release = threading.Event()

    def write(items: Sequence[int]) -> list[int]:
        release.wait(5)
        return list(items)

    commit = GroupCommit("test", write, bound=1)
    first = asyncio.create_task(commit.submit(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    second = asyncio.create_task(commit.submit(2))
    await asyncio.sleep(0)
    with pytest.raises(BacklogFullError):
        await commit.submit(3)
    release.set()
    assert list(await asyncio.gather(first, second)) == [1, 2]
    await commit.close()


async def test_closing_writes_what_waits() -> None:
    seen: list[int] = []

    def write(items: Sequence[int]) -> list[None]:
        seen.extend(items)
        return [None] * len(items)

    commit = GroupCommit("test", write)
    task = asyncio.create_task(commit.submit(7))
    await asyncio.sleep(0)
    await commit.close()
    await task
    assert seen == [7]


async def test_what_is_closed_says_so_and_leaves_nobody_waiting() -> None:
    commit = GroupCommit[int, int]("test", list)
    assert await commit.submit(1) == 1
    await commit.close()
    await commit.close()
    with pytest.raises(RuntimeError, match="closed"):
        await commit.submit(2)
    with pytest.raises(RuntimeError, match="closed"):
        await commit.run(lambda: None)
