"""However a transfer is cut, what comes is the file, or an error and not half of one."""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.models import transfer
from runtime.models.problems import ModelError
from runtime.models.transfer import Part


@dataclass
class Cut:
    """A file whose server ends early so many times, and may not be able to skip."""

    body: bytes
    cuts: list[int]
    skips: bool = True
    says_size: bool = True
    name: str = "the file"

    @asynccontextmanager
    async def read(self, start: int) -> AsyncIterator[Part]:
        begin = start if self.skips else 0
        size = len(self.body) if self.says_size else None
        yield Part(begin, size, self._chunks(self.body[begin:]))

    async def _chunks(self, rest: bytes) -> AsyncIterator[bytes]:
        end = self.cuts.pop(0) if self.cuts else None
        for place in range(0, len(rest[:end]), 7):
            yield rest[:end][place : place + 7]
        if end is not None:
            raise ModelError("Unreachable", "cut")


def fetched(source: Cut, limit: int = 1000, before: bytes = b"") -> tuple[bytes, transfer.Fetched]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(before)
        found = asyncio.run(transfer.fetch(source, path, limit))
        return path.read_bytes(), found


cuts = st.lists(st.integers(0, 60), max_size=4)


@given(body=st.binary(max_size=200), cuts=cuts, skips=st.booleans(), says=st.booleans())
@settings(max_examples=150, deadline=None)
def test_however_it_is_cut_the_whole_file_comes(
    body: bytes, cuts: list[int], skips: bool, says: bool
) -> None:
    came, found = fetched(Cut(body, cuts, skips, says))
    assert came == body
    assert found.digest == hashlib.sha256(body).hexdigest()
    assert found.size == len(body)


@given(body=st.binary(max_size=200), before=st.integers(0, 200), cuts=cuts)
@settings(max_examples=100, deadline=None)
def test_a_beginning_of_the_file_is_gone_on_from(body: bytes, before: int, cuts: list[int]) -> None:
    came, found = fetched(Cut(body, cuts), before=body[:before])
    assert came == body
    assert not (found.at_once and before and body)


@given(body=st.binary(min_size=51, max_size=200), cuts=cuts, says=st.booleans())
@settings(max_examples=50, deadline=None)
def test_a_bound_holds_however_it_is_cut(body: bytes, cuts: list[int], says: bool) -> None:
    with pytest.raises(ModelError) as caught:
        fetched(Cut(body, cuts, says_size=says), limit=50)
    assert caught.value.problem == "TooLarge"


def test_tries_that_bring_nothing_end() -> None:
    with pytest.raises(ModelError) as caught:
        fetched(Cut(b"a body", [0] * 99))
    assert caught.value.problem == "Unreachable"
