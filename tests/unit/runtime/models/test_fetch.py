"""Filling a claim over HTTP, from servers that do what servers do."""

import hashlib
import io
import tarfile
from pathlib import Path

import pytest
from yarl import URL

from crds.models import Problem
from runtime.models import sources
from runtime.models.claim import Claim
from runtime.models.problems import ModelError
from runtime.models.web import session, shown
from tests.unit.runtime.models.shelf import DIGEST, MODEL, Shelf, serving

LIMIT = 2**20


async def fill(
    shelf: Shelf,
    folder: Path,
    *,
    path: str = "/model.gguf",
    digest: str = DIGEST,
    limit: int = LIMIT,
    silence: float = 5,
    secret: Path | None = None,
) -> Path:
    """Fetch from the shelf. Returns the folder with the model."""
    async with session(silence) as connections:
        files = await sources.files(f"{shelf.url}{path}", connections, secret, None)
        report = await Claim(folder, limit).fill(files, digest, single=True)
    assert report.digest == digest
    return folder / "model"


async def failure(shelf: Shelf, folder: Path, **how: object) -> tuple[Problem, str]:
    """Why it cannot be fetched; nothing is in place then."""
    with pytest.raises(ModelError) as caught:
        await fill(shelf, folder, **how)  # type: ignore[arg-type]
    assert not (folder / "model").exists()
    return caught.value.problem, str(caught.value)


def inside(folder: Path) -> list[str]:
    """Names of everything below a folder."""
    return sorted(path.name for path in folder.rglob("*"))


async def test_a_file_is_fetched_whole(shelf: Shelf, tmp_path: Path) -> None:
    model = await fill(shelf, tmp_path)
    assert inside(tmp_path) == ["model", "model.gguf"]
    assert (model / "model.gguf").read_bytes() == MODEL


async def test_what_is_there_is_not_fetched_again(shelf: Shelf, tmp_path: Path) -> None:
    await fill(shelf, tmp_path)
    await fill(shelf, tmp_path)
    assert len(shelf.asked) == 1


async def test_a_broken_connection_goes_on_where_it_ended(shelf: Shelf, tmp_path: Path) -> None:
    shelf.cuts = [30_000, 20_000]
    model = await fill(shelf, tmp_path)
    assert (model / "model.gguf").read_bytes() == MODEL
    asked = [wanted for _, wanted, _ in shelf.asked]
    assert asked == ["", "bytes=30000-", "bytes=50000-"]


async def test_the_next_pod_goes_on_where_the_last_one_ended(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "partial").mkdir()
    (tmp_path / "partial/model.gguf").write_bytes(MODEL[:40_000])
    await fill(shelf, tmp_path)
    assert [wanted for _, wanted, _ in shelf.asked] == ["bytes=40000-"]


async def test_a_whole_file_that_was_not_put_in_place_is(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "partial").mkdir()
    (tmp_path / "partial/model.gguf").write_bytes(MODEL)
    await fill(shelf, tmp_path)


async def test_a_server_that_cannot_skip_begins_anew(shelf: Shelf, tmp_path: Path) -> None:
    shelf.cuts, shelf.ranges = [30_000], False
    model = await fill(shelf, tmp_path)
    assert (model / "model.gguf").read_bytes() == MODEL


@pytest.mark.parametrize("before", [b"of another file", MODEL + b"and more"])
async def test_the_beginning_of_another_file_is_thrown_away(
    shelf: Shelf, tmp_path: Path, before: bytes
) -> None:
    (tmp_path / "partial").mkdir()
    (tmp_path / "partial/model.gguf").write_bytes(before)
    model = await fill(shelf, tmp_path)
    assert (model / "model.gguf").read_bytes() == MODEL


async def test_what_an_earlier_address_left_is_not_part_of_the_model(
    shelf: Shelf, tmp_path: Path
) -> None:
    (tmp_path / "partial").mkdir()
    (tmp_path / "partial/old-name.gguf").write_bytes(MODEL[:100])
    model = await fill(shelf, tmp_path)
    assert inside(model) == ["model.gguf"]


async def test_a_server_that_falls_silent_is_asked_again(shelf: Shelf, tmp_path: Path) -> None:
    shelf.stall = 10_000
    await fill(shelf, tmp_path, silence=0.2)
    assert len(shelf.asked) == 2


async def test_wrong_bytes_are_refused_and_not_kept(shelf: Shelf, tmp_path: Path) -> None:
    shelf.files["/model.gguf"] = MODEL[:-1] + b"!"
    problem, message = await failure(shelf, tmp_path)
    assert problem == "DigestMismatch"
    assert DIGEST in message
    assert "correct the digest or the address" in message
    assert len(shelf.asked) == 1
    assert inside(tmp_path) == []


@pytest.mark.parametrize("ranges", [True, False])
async def test_a_model_beyond_its_limit_is_refused(
    shelf: Shelf, tmp_path: Path, ranges: bool
) -> None:
    shelf.ranges = ranges
    problem, message = await failure(shelf, tmp_path, limit=50_000)
    assert problem == "TooLarge"
    assert "raise sizeLimit" in message


async def test_a_busy_server_is_asked_again(shelf: Shelf, tmp_path: Path) -> None:
    shelf.refusals = [503, 429, 500]
    await fill(shelf, tmp_path)


async def test_a_server_that_stays_away_is_left_to_the_next_pod(
    shelf: Shelf, tmp_path: Path
) -> None:
    shelf.refusals = [503] * 9
    problem, message = await failure(shelf, tmp_path)
    assert (problem, message) == ("Unreachable", f"{shelf.url}/model.gguf answers 503")
    assert len(shelf.asked) == 5


async def test_nobody_listens(shelf: Shelf, tmp_path: Path) -> None:
    shelf.url = "http://127.0.0.1:9"
    problem, message = await failure(shelf, tmp_path)
    assert problem == "Unreachable"
    assert message.startswith("http://127.0.0.1:9/model.gguf: ")


@pytest.mark.parametrize(
    ("status", "problem"), [(404, "NotFound"), (401, "Refused"), (403, "Refused"), (400, "Refused")]
)
async def test_a_refusal_is_told_without_the_servers_words(
    shelf: Shelf, tmp_path: Path, status: int, problem: Problem
) -> None:
    shelf.refusals = [status]
    found, message = await failure(shelf, tmp_path)
    assert found == problem
    assert f"answers {status}" in message
    assert "long story" not in message


async def test_a_redirect_is_followed_without_the_credentials(shelf: Shelf, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "token").write_text("of-this-host\n")
    async with serving(Shelf()) as other:
        shelf.redirects["/model.gguf"] = f"{other.url}/model.gguf?signature=secret"
        await fill(shelf, tmp_path / "claim", secret=secret)
        assert [sent for _, _, sent in other.asked] == [""]
    assert [sent for _, _, sent in shelf.asked] == ["Bearer of-this-host"]


async def test_redirects_in_a_circle_end(shelf: Shelf, tmp_path: Path) -> None:
    shelf.redirects["/model.gguf"] = "/model.gguf"
    problem, message = await failure(shelf, tmp_path)
    assert problem == "Refused"
    assert "more than 5 redirects" in message


@pytest.mark.parametrize("there", ["file:///etc/passwd", "", "http://[", "ftp://example/x"])
async def test_a_redirect_to_no_web_address_is_refused(
    shelf: Shelf, tmp_path: Path, there: str
) -> None:
    shelf.redirects["/model.gguf"] = there
    problem, _ = await failure(shelf, tmp_path)
    assert problem == "Refused"


async def test_a_missing_secret_is_what_a_refusal_is_about(shelf: Shelf, tmp_path: Path) -> None:
    shelf.refusals = [401]
    (tmp_path / "secret").mkdir()
    problem, _ = await failure(shelf, tmp_path / "claim", secret=tmp_path / "secret")
    assert problem == "SecretNotFound"


async def test_user_and_password_are_sent(shelf: Shelf, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "username").write_text("ada")
    (secret / "password").write_text("lovelace")
    await fill(shelf, tmp_path / "claim", secret=secret)
    assert shelf.asked[0][2] == "Basic YWRhOmxvdmVsYWNl"


def packed(*files: tuple[str, bytes], link: str | None = None) -> bytes:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as tar:
        for name, content in files:
            item = tarfile.TarInfo(name)
            item.size = len(content)
            tar.addfile(item, io.BytesIO(content))
        if link:
            item = tarfile.TarInfo("link")
            item.type, item.linkname = tarfile.SYMTYPE, link
            tar.addfile(item)
    return body.getvalue()


def shelve(shelf: Shelf, archive: bytes) -> str:
    shelf.files["/large.tar.gz"] = archive
    return f"sha256:{hashlib.sha256(archive).hexdigest()}"


@pytest.mark.parametrize("prefix", ["", "large/"])
async def test_an_archive_is_unpacked(shelf: Shelf, tmp_path: Path, prefix: str) -> None:
    digest = shelve(shelf, packed((f"{prefix}config.json", b"{}"), (f"{prefix}a/b", b"weights")))
    model = await fill(shelf, tmp_path, path="/large.tar.gz", digest=digest)
    assert (model / "config.json").read_bytes() == b"{}"
    assert (model / "a/b").read_bytes() == b"weights"
    assert "unpacked" not in inside(tmp_path)


@pytest.mark.parametrize("name", ["../escaped", "a/../../escaped"])
async def test_an_archive_cannot_write_elsewhere(shelf: Shelf, tmp_path: Path, name: str) -> None:
    digest = shelve(shelf, packed((name, b"x")))
    problem, _ = await failure(shelf, tmp_path, path="/large.tar.gz", digest=digest)
    assert problem == "Unusable"
    assert "escaped" not in inside(tmp_path.parent)


async def test_an_archive_with_links_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    digest = shelve(shelf, packed(("config.json", b"{}"), link="/etc/passwd"))
    problem, _ = await failure(shelf, tmp_path, path="/large.tar.gz", digest=digest)
    assert problem == "Unusable"


async def test_an_archive_that_swells_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    digest = shelve(shelf, packed(("zeros", bytes(200_000))))
    problem, _ = await failure(shelf, tmp_path, path="/large.tar.gz", digest=digest, limit=100_000)
    assert problem == "TooLarge"


async def test_what_is_no_archive_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    digest = shelve(shelf, MODEL)
    problem, _ = await failure(shelf, tmp_path, path="/large.tar.gz", digest=digest)
    assert problem == "Unusable"


def test_a_url_is_shown_without_what_may_be_secret() -> None:
    assert shown(URL("https://ada:x@h/f?signature=y#z")) == "https://h/f"
