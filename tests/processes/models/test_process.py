"""The process as a pod runs it: what it says in the end, and with which status it leaves."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from runtime.models.__main__ import size
from tests.unit.runtime.models.shelf import DIGEST, MODEL, Shelf


async def run(folder: Path, *arguments: str) -> tuple[int, dict[str, str]]:
    """Exit status and termination message."""
    report = folder / "report"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "runtime.models", "--report", str(report), *arguments),
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        status = await asyncio.wait_for(process.wait(), 60)
    finally:
        if process.returncode is None:
            process.kill()
    return status, json.loads(await asyncio.to_thread(report.read_text))


def fetching(url: str, folder: Path, digest: str = DIGEST) -> list[str]:
    place = str(folder / "claim")
    return ["fetch", "--uri", url, "--digest", digest, "--into", place, "--size-limit", "1Mi"]


async def test_a_fetched_model_is_reported_by_its_digest(shelf: Shelf, tmp_path: Path) -> None:
    status, said = await run(tmp_path, *fetching(f"{shelf.url}/model.gguf", tmp_path))
    assert (status, said) == (0, {"digest": DIGEST})
    found = await asyncio.to_thread((tmp_path / "claim/model/model.gguf").read_bytes)
    assert found == MODEL


async def test_what_another_try_would_not_change_has_a_status_of_its_own(
    shelf: Shelf, tmp_path: Path
) -> None:
    wrong = f"sha256:{'0' * 64}"
    status, said = await run(tmp_path, *fetching(f"{shelf.url}/model.gguf", tmp_path, wrong))
    assert status == 3
    assert said["problem"] == "DigestMismatch"


async def test_what_is_not_there_is_tried_again(shelf: Shelf, tmp_path: Path) -> None:
    status, said = await run(tmp_path, *fetching(f"{shelf.url}/gone.gguf", tmp_path))
    assert status == 1
    assert said["problem"] == "NotFound"


@pytest.mark.parametrize(
    ("text", "count"), [("16Gi", 2**34), ("500M", 5 * 10**8), ("1.5Ki", 1536), ("12", 12)]
)
def test_a_quantity_is_a_number_of_bytes(text: str, count: int) -> None:
    assert size(text) == count
