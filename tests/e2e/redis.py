"""A Redis for a test's namespace: this machine's own server and the libraries that it needs, as an
image, so that no registry is asked."""

import hashlib
import io
import json
import platform
import re
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

from devcluster import Cluster
from images.archive import pack
from tests.e2e.kube import Kube, Object
from tests.unit.runtime.stubs.redis import PROGRAMS, REMEDY

NAME = "redis"
URL = f"redis://{NAME}:6379/0"
_USER = 65532


def load(cluster: Cluster, folder: Path) -> str:
    """Make the image, load it into every node, and return its name."""
    program = next((found for each in PROGRAMS if (found := shutil.which(each))), None)
    assert program is not None, REMEDY
    blobs = folder / "blobs"
    blobs.mkdir()
    layer = _layer(Path(program).resolve())
    config = {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()],
        "os": "linux",
        "config": {"Entrypoint": ["/usr/bin/redis-server"], "User": f"{_USER}:{_USER}"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{_digest(layer)}"]},
    }
    described = [
        _blob(blobs, json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"),
        _blob(blobs, layer, "application/vnd.oci.image.layer.v1.tar"),
    ]
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": described[0],
        "layers": described[1:],
    }
    (blobs / "manifest.json").write_text(json.dumps(manifest))
    name = f"fabula.dev/test-redis:{_digest(layer)[:12]}"
    archive = folder / "redis.tar"
    pack(blobs, [name], archive)
    cluster.load_image(archive)
    return name


def run(kube: Kube, image: str) -> None:
    """Start it, with the Secret that a World names."""
    labels = {"app": NAME}
    security = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = {
        "name": NAME,
        "image": image,
        "imagePullPolicy": "Never",
        "args": [
            *("--dir", "/data", "--save", "", "--appendonly", "yes", "--appendfsync", "always"),
            *("--protected-mode", "no"),
        ],
        "securityContext": security,
        "ports": [{"containerPort": 6379}],
        "readinessProbe": {"tcpSocket": {"port": 6379}, "periodSeconds": 1},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    kube.apply(
        _object("Secret", NAME, stringData={"url": URL}),
        _object("Service", NAME, spec={"selector": labels, "ports": [{"port": 6379}]}),
        {
            **_object(
                "Pod",
                NAME,
                spec={
                    "securityContext": {"fsGroup": _USER},
                    "containers": [container],
                    "volumes": [{"name": "data", "emptyDir": {}}],
                },
            ),
            "metadata": {"name": NAME, "labels": labels},
        },
    )
    kube.kubectl("wait", f"pod/{NAME}", "--for=condition=Ready", "--timeout=60s", timeout=90)


def _object(kind: str, name: str, **rest: Any) -> Object:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **rest}


def _layer(program: Path) -> bytes:
    """The program as /usr/bin/redis-server, and its libraries where its loader looks for them."""
    listed = subprocess.run(
        ["ldd", program], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    libraries = sorted(set(re.findall(r"(/\S+) \(0x", listed)))
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for folder in ("tmp", "data", "etc"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        _file(tar, "usr/bin/redis-server", program.read_bytes())
        for library in libraries:
            _file(tar, library.removeprefix("/"), Path(library).read_bytes())
    return out.getvalue()


def _file(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o755
    tar.addfile(entry, io.BytesIO(content))


def _blob(folder: Path, content: bytes, kind: str) -> Object:
    digest = _digest(content)
    (folder / digest).write_bytes(content)
    return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(content)}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
