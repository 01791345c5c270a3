"""A quick client of the API server: one connection, plain dictionaries, any user's name.

It speaks through `kubectl proxy`, which knows every way to log in that a kubeconfig can name.
"""

import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from devcluster import Cluster

Object = dict[str, Any]
TIMEOUT_SECONDS = 30
API = "/apis/fabula.dev/v1alpha1"


@dataclass(frozen=True)
class Answer:
    """What the API server said."""

    status: int
    body: Object

    @property
    def accepted(self) -> bool:
        return self.status < 300

    @property
    def message(self) -> str:
        return str(self.body.get("message", ""))

    @property
    def causes(self) -> list[str]:
        """Each fault of a refused object on its own, without the field."""
        causes = self.body.get("details", {}).get("causes", [])
        return [str(cause["message"]) for cause in causes]


@dataclass(frozen=True)
class Server:
    """The API server, as the administrator or, with `user`, as somebody else."""

    http: httpx.Client
    namespace: str
    user: str | None = None
    groups: tuple[str, ...] = ()

    def acting_as(self, user: str, *groups: str) -> "Server":
        return Server(self.http, self.namespace, user, groups)

    def call(self, method: str, path: str, body: object = None, **query: str) -> Answer:
        content_type = {
            "PATCH": "application/merge-patch+json",
            "APPLY": "application/apply-patch+yaml",
        }.get(method, "application/json")
        headers = [("Content-Type", content_type)]
        if self.user:
            headers.append(("Impersonate-User", self.user))
            headers += [("Impersonate-Group", group) for group in self.groups]
        response = self.http.request(
            "PATCH" if method == "APPLY" else method,
            path,
            json=body,
            params=query,
            headers=headers,
        )
        return Answer(response.status_code, response.json())

    def path(self, plural: str, name: str = "", subresource: str = "") -> str:
        parts = [API, "namespaces", self.namespace, plural, name, subresource]
        return "/".join(part for part in parts if part)

    def check(self, manifest: Mapping[str, Any]) -> Answer:
        """What `kubectl apply` of a new object would get, without creating it."""
        return self.call(
            "POST",
            self.path(plural(manifest)),
            manifest,
            dryRun="All",
            fieldValidation="Strict",
        )

    def create(self, manifest: Mapping[str, Any]) -> Object:
        answer = self.call("POST", self.path(plural(manifest)), manifest)
        assert answer.accepted, answer.message
        return answer.body

    def apply(self, manifest: Mapping[str, Any], manager: str, **query: str) -> Answer:
        """Server-side apply by this field manager."""
        path = self.path(plural(manifest), manifest["metadata"]["name"])
        return self.call("APPLY", path, manifest, fieldManager=manager, **query)


def plural(manifest: Mapping[str, Any]) -> str:
    return f"{manifest['kind'].lower()}s"


@contextmanager
def connect(cluster: Cluster, namespace: str) -> Iterator[Server]:
    """A `kubectl proxy` for the time of the tests, and a connection to it."""
    with subprocess.Popen(
        ["kubectl", "proxy", "--port=0"],
        env=cluster.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as proxy:
        try:
            assert proxy.stdout is not None
            line = proxy.stdout.readline()
            found = re.search(r"127\.0\.0\.1:\d+", line)
            assert found, f"kubectl proxy did not start: {line}"
            with httpx.Client(
                base_url=f"http://{found.group()}", timeout=TIMEOUT_SECONDS, trust_env=False
            ) as client:
                yield Server(client, namespace)
        finally:
            proxy.terminate()
