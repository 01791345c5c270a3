"""Pack what buildah wrote into an OCI archive, under more than one name and without compression.

buildah's own archives are always compressed, which takes longer than it saves for something that
never leaves the machine, and carry one name.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

_MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
_EPOCH = 0


def pack(folder: Path, names: Sequence[str], archive: Path) -> None:
    """Pack `folder`, in the layout of the `dir:` transport, into an archive named `names`."""
    manifest = (folder / "manifest.json").read_bytes()
    digest = hashlib.sha256(manifest).hexdigest()
    index = {
        "schemaVersion": 2,
        "manifests": [
            {
                "mediaType": _MANIFEST_TYPE,
                "digest": f"sha256:{digest}",
                "size": len(manifest),
                "annotations": {"org.opencontainers.image.ref.name": name},
            }
            for name in names
        ],
    }
    with tarfile.open(archive, "w") as out:
        _add(out, "oci-layout", json.dumps({"imageLayoutVersion": "1.0.0"}).encode())
        _add(out, "index.json", json.dumps(index).encode())
        _add(out, f"blobs/sha256/{digest}", manifest)
        for blob in sorted(folder.iterdir()):
            # The rest of a `dir:` folder is named by digest, but for its manifest and version.
            if blob.name in {"manifest.json", "version"}:
                continue
            with blob.open("rb") as content:
                entry = tarfile.TarInfo(f"blobs/sha256/{blob.name}")
                entry.size, entry.mtime = blob.stat().st_size, _EPOCH
                out.addfile(entry, content)


def _add(out: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime = len(content), _EPOCH
    out.addfile(entry, io.BytesIO(content))
