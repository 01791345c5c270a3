"""Makes OCI image archives out of single static programs, without a container engine."""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_USER = "65532:65532"
_CONTAINERD_NAME = "io.containerd.image.name"
_REF_NAME = "org.opencontainers.image.ref.name"
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Image:
    """An image of one layer: programs, and links to them."""

    name: str
    programs: Mapping[str, Path]
    entrypoint: tuple[str, ...]
    links: Mapping[str, str] = field(default_factory=dict)
    user: str = _USER


def write(path: Path, images: list[Image], machine: str) -> None:
    """Write one archive with all images; it appears complete or not at all."""
    architecture = _MACHINES.get(machine, machine)
    staging = path.with_suffix(".new")
    with tarfile.open(staging, "w") as out:
        _add(out, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        manifests = [_image(out, image, architecture) for image in images]
        _add(out, "index.json", _json({"schemaVersion": 2, "manifests": manifests}))
    staging.rename(path)


def named(path: Path) -> dict[str, str]:
    """Digests of the manifests in an OCI archive, by image name."""
    with tarfile.open(path) as archive:
        index = archive.extractfile("index.json")
        manifests = json.load(index)["manifests"] if index else []
    found = {}
    for each in manifests:
        notes = each.get("annotations", {})
        # containerd goes by its own word where it stands, else by the standard's.
        if name := notes.get(_CONTAINERD_NAME) or notes.get(_REF_NAME):
            found[name] = each["digest"]
    return found


def layer(image: Image) -> bytes:
    """The file system of an image; the same input gives the same bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as out:
        for name, source in sorted(image.programs.items()):
            _add(out, name, source.read_bytes(), mode=0o755)
        for name, target in sorted(image.links.items()):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            out.addfile(link)
    return buffer.getvalue()


def _image(out: tarfile.TarFile, image: Image, architecture: str) -> dict[str, Any]:
    content = layer(image)
    layer_type = "application/vnd.oci.image.layer.v1.tar"
    described_layer = _blob(out, content, layer_type)
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {
            "Entrypoint": list(image.entrypoint),
            "Env": ["PATH=/bin"],
            "User": image.user,
        },
        "rootfs": {"type": "layers", "diff_ids": [described_layer["digest"]]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": _blob(out, _json(config), "application/vnd.oci.image.config.v1+json"),
        "layers": [described_layer],
    }
    described = _blob(out, _json(manifest), manifest["mediaType"])
    return described | {
        "annotations": {
            _CONTAINERD_NAME: image.name,
            _REF_NAME: image.name.rpartition(":")[2],
        },
        "platform": {"architecture": architecture, "os": "linux"},
    }


def _blob(out: tarfile.TarFile, content: bytes, media_type: Any) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    _add(out, f"blobs/sha256/{digest}", content)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}


def _add(out: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), mode
    out.addfile(info, io.BytesIO(content))


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True).encode()
