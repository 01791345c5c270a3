import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from devcluster import archive
from devcluster.archive import Image


@pytest.fixture
def image(tmp_path: Path) -> Image:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF")
    return Image(
        "fabula.dev/tool:v1", {"bin/tool": program}, ("/bin/tool",), links={"bin/sh": "tool"}
    )


@pytest.fixture
def blobs(tmp_path: Path, image: Image) -> dict[str, bytes]:
    path = tmp_path / "images.tar"
    archive.write(path, [image], "x86_64")
    with tarfile.open(path) as opened:
        found = {}
        for member in opened.getmembers():
            content = opened.extractfile(member)
            assert content is not None
            found[member.name] = content.read()
    return found


def test_the_same_programs_give_the_same_layer(image: Image) -> None:
    assert archive.layer(image) == archive.layer(image)


def test_every_blob_is_named_by_its_digest(blobs: dict[str, bytes]) -> None:
    named = {name: content for name, content in blobs.items() if name.startswith("blobs/")}
    assert len(named) == 3
    for name, content in named.items():
        assert name.rpartition("/")[2] == hashlib.sha256(content).hexdigest()


def test_the_index_leads_to_name_user_and_files(blobs: dict[str, bytes]) -> None:
    (entry,) = json.loads(blobs["index.json"])["manifests"]
    assert entry["annotations"]["io.containerd.image.name"] == "fabula.dev/tool:v1"
    assert entry["platform"]["architecture"] == "amd64"
    manifest = json.loads(_blob(blobs, entry))
    config = json.loads(_blob(blobs, manifest["config"]))
    assert config["config"]["User"] == "65532:65532"
    layer = _blob(blobs, manifest["layers"][0])
    with tarfile.open(fileobj=io.BytesIO(layer)) as opened:
        assert opened.getnames() == ["bin/tool", "bin/sh"]
        assert opened.getmember("bin/tool").mode == 0o755


def test_a_half_written_archive_has_another_name(tmp_path: Path, image: Image) -> None:
    broken = Image("x:v1", {"gone": tmp_path / "gone"}, ("/gone",))
    with pytest.raises(FileNotFoundError):
        archive.write(tmp_path / "images.tar", [image, broken], "x86_64")
    assert not (tmp_path / "images.tar").exists()


def _blob(blobs: dict[str, bytes], described: dict[str, str]) -> bytes:
    return blobs["blobs/sha256/" + described["digest"].removeprefix("sha256:")]


def test_names_and_digests_can_be_read_back(tmp_path: Path, image: Image) -> None:
    archive.write(tmp_path / "a.tar", [image], "x86_64")
    ((name, digest),) = archive.named(tmp_path / "a.tar").items()
    assert name == image.name
    assert digest.startswith("sha256:")
