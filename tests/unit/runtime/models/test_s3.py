"""Fetching objects, from a store that speaks enough of S3."""

from pathlib import Path

import pytest

from runtime.models.claim import Claim
from runtime.models.problems import ModelError
from runtime.models.s3 import s3_file
from tests.unit.runtime.models.shelf import DIGEST, MODEL, Shelf


@pytest.fixture(autouse=True)
def no_identity_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)


def secret(folder: Path, shelf: Shelf, **items: str) -> Path:
    """A mounted Secret that leads to the shelf."""
    shelf.files = {"/models/bard/v1.gguf": MODEL}
    made = folder / "secret"
    made.mkdir()
    for name, value in {"AWS_ENDPOINT_URL": shelf.url, **items}.items():
        (made / name).write_text(f"{value}\n")
    return made


KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "s3cr3t-word"}


async def fill(folder: Path, credentials: Path, key: str = "bard/v1.gguf") -> None:
    file = s3_file(f"s3://models/{key}", credentials, {})
    await Claim(folder / "claim", 2**20).fill({"v1.gguf": file}, DIGEST, single=True)


async def test_an_object_is_fetched_with_signed_requests(shelf: Shelf, tmp_path: Path) -> None:
    await fill(tmp_path, secret(tmp_path, shelf, **KEYS, AWS_REGION="eu-west-3"))
    for _, _, sent in shelf.asked:
        assert sent.startswith("AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/")
        assert "/eu-west-3/s3/" in sent
        assert "s3cr3t-word" not in sent


async def test_an_object_goes_on_where_an_earlier_pod_ended(shelf: Shelf, tmp_path: Path) -> None:
    partial = tmp_path / "claim/partial"
    partial.mkdir(parents=True)
    (partial / "v1.gguf").write_bytes(MODEL[:40_000])
    await fill(tmp_path, secret(tmp_path, shelf, **KEYS))
    assert [wanted for _, wanted, _ in shelf.asked] == ["", "bytes=40000-"]


async def test_without_keys_nothing_is_signed(shelf: Shelf, tmp_path: Path) -> None:
    await fill(tmp_path, secret(tmp_path, shelf))
    assert {sent for _, _, sent in shelf.asked} == {""}


async def test_an_object_that_is_not_there_is_told(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="s3://models/other is not there") as caught:
        await fill(tmp_path, secret(tmp_path, shelf, **KEYS), "other")
    assert caught.value.problem == "NotFound"


@pytest.mark.parametrize(("keys", "problem"), [(KEYS, "Refused"), ({}, "SecretNotFound")])
async def test_a_refusal_is_told_without_the_stores_words(
    shelf: Shelf, tmp_path: Path, keys: dict[str, str], problem: str
) -> None:
    shelf.refusals = [403]
    with pytest.raises(ModelError) as caught:
        await fill(tmp_path, secret(tmp_path, shelf, **keys))
    assert caught.value.problem == problem
    assert "long story" not in str(caught.value)


async def test_a_busy_store_is_asked_again(shelf: Shelf, tmp_path: Path) -> None:
    shelf.refusals = [503, 500]
    await fill(tmp_path, secret(tmp_path, shelf, **KEYS))


async def test_a_broken_connection_goes_on_where_it_ended(shelf: Shelf, tmp_path: Path) -> None:
    credentials = secret(tmp_path, shelf, **KEYS)
    shelf.cuts = [0, 30_000]
    await fill(tmp_path, credentials)
