"""A Redis for a test's namespace: this machine's own server and the libraries that it needs, as an
image, so that no registry is asked."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from devcluster import Cluster
from tests.e2e import handmade
from tests.e2e.kube import Kube, Object
from tests.unit.runtime.stubs.redis import PROGRAMS, REMEDY

NAME = "redis"
IMAGE = "fabula.dev/test-redis"
URL = f"redis://{NAME}:6379/0"
_USER = 65532


def load(cluster: Cluster, folder: Path) -> str:
    """Make the image, load it into every node, and return its name."""
    program = next((found for each in PROGRAMS if (found := shutil.which(each))), None)
    assert program is not None, REMEDY
    layer = _layer(Path(program).resolve())
    entry, user = ["/usr/bin/redis-server"], f"{_USER}:{_USER}"
    handmade.load(cluster, folder, IMAGE, layer, Entrypoint=entry, User=user)
    return f"{IMAGE}:{handmade.digest(layer)[:12]}"


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
    files = {"usr/bin/redis-server": program, **{p.removeprefix("/"): Path(p) for p in libraries}}
    contents = {name: path.read_bytes() for name, path in files.items()}
    return handmade.layer(contents, ("tmp", "data", "etc"))
