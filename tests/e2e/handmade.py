"""Images of one layer, made here and loaded into the cluster, so that no registry is asked."""

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from devcluster import Cluster
from images.archive import pack


def load(cluster: Cluster, folder: Path, name: str, layer: bytes, **config: Any) -> str:
    """Make an image, load it into every node, and return its digest. It is known by `name` with the
    beginning of its layer's digest for a tag, and by `name` with its own digest.

    Args:
        cluster: where it goes.
        folder: an empty place for its parts.
        name: without tag.
        layer: a tar archive.
        config: as in an OCI image's `config`.
    """
    blobs = folder / "blobs"
    blobs.mkdir()
    described = {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()],
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest(layer)}"]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": _blob(
            blobs, json.dumps(described).encode(), "application/vnd.oci.image.config.v1+json"
        ),
        "layers": [_blob(blobs, layer, "application/vnd.oci.image.layer.v1.tar")],
    }
    written = json.dumps(manifest).encode()
    (blobs / "manifest.json").write_bytes(written)
    archive = folder / "image.tar"
    pack(blobs, [f"{name}:{digest(layer)[:12]}", f"{name}@sha256:{digest(written)}"], archive)
    cluster.load_image(archive)
    return digest(written)


def layer(files: Mapping[str, bytes], folders: tuple[str, ...] = ()) -> bytes:
    """A tar archive of these files and empty folders, for everybody to read and execute."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for folder in folders:
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _blob(folder: Path, content: bytes, kind: str) -> dict[str, Any]:
    (folder / digest(content)).write_bytes(content)
    return {"mediaType": kind, "digest": f"sha256:{digest(content)}", "size": len(content)}
