"""Writes kubeconfig files: for the administrator and for each program that calls."""

import base64
from pathlib import Path

import yaml

from devcluster import files
from devcluster.layout import Layout


def write(layout: Layout, path: Path, identity: str) -> Path:
    """A kubeconfig with everything inside; it works on the machine and inside the cluster alike."""
    files.write(path, yaml.safe_dump(content(layout, identity), sort_keys=False), mode=0o600)
    return path


def content(layout: Layout, identity: str) -> dict[str, object]:
    name = f"fabula-{layout.name}"
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": name,
                "cluster": {
                    "server": f"https://127.0.0.1:{layout.port}",
                    "certificate-authority-data": _encoded(layout.pki / "ca.crt"),
                },
            }
        ],
        "users": [
            {
                "name": identity,
                "user": {
                    "client-certificate-data": _encoded(layout.pki / f"{identity}.crt"),
                    "client-key-data": _encoded(layout.pki / f"{identity}.key"),
                },
            }
        ],
        "contexts": [{"name": name, "context": {"cluster": name, "user": identity}}],
        "current-context": name,
    }


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
