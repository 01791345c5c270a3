"""The OCI archive that is made of what buildah wrote."""

import hashlib
import json
import tarfile
from pathlib import Path

from images.archive import pack

NAMES = ("fabula.dev/engine:dev", "fabula.dev/engine:0123456789ab")


def blob(folder: Path, content: bytes) -> str:
    digest = hashlib.sha256(content).hexdigest()
    (folder / digest).write_bytes(content)
    return f"sha256:{digest}"


def test_an_archive_carries_every_name_and_every_blob(tmp_path: Path) -> None:
    folder = tmp_path / "blobs"
    folder.mkdir()
    config, layer = blob(folder, b"{}"), blob(folder, b"layer")
    (folder / "version").write_text("Directory Transport Version: 1.1\n")
    manifest = json.dumps({"config": {"digest": config}, "layers": [{"digest": layer}]})
    (folder / "manifest.json").write_text(manifest)

    pack(folder, NAMES, tmp_path / "engine.tar")

    with tarfile.open(tmp_path / "engine.tar") as archive:
        content = {entry.name: archive.extractfile(entry) for entry in archive}
        read = {name: file.read() for name, file in content.items() if file is not None}
    index = json.loads(read["index.json"])
    names = [
        each["annotations"]["org.opencontainers.image.ref.name"] for each in index["manifests"]
    ]
    assert names == list(NAMES)
    for each in index["manifests"]:
        found = read["blobs/" + each["digest"].replace(":", "/")]
        assert found.decode() == manifest
        assert each["size"] == len(found)
    assert json.loads(read["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    blobs = {name for name in read if name.startswith("blobs/")}
    assert len(blobs) == 3
    for name in blobs:
        assert hashlib.sha256(read[name]).hexdigest() == name.rsplit("/", 1)[1]


def test_the_same_image_gives_the_same_bytes(tmp_path: Path) -> None:
    folder = tmp_path / "blobs"
    folder.mkdir()
    blob(folder, b"layer")
    (folder / "manifest.json").write_text("{}")
    pack(folder, NAMES, tmp_path / "a.tar")
    pack(folder, NAMES, tmp_path / "b.tar")
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
