"""What the end-to-end tests do to a cluster, through kubectl as a person would."""

import json
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import yaml

from cli.run import CommandError, run
from devcluster import Cluster

T = TypeVar("T")
Object = dict[str, Any]
KINDS = "world,me,st"
CHILDREN = (
    "deployments,statefulsets,services,configmaps,serviceaccounts,roles,rolebindings,"
    "poddisruptionbudgets,controllerrevisions,pods,jobs,persistentvolumeclaims"
)
OURS = "app.kubernetes.io/managed-by=fabula"


def until(
    what: str,
    look: Callable[[], T | None],
    seconds: float = 60,
    last: Callable[[], object] = lambda: None,
) -> T:
    """The first true answer of ``look``; at the deadline fails with ``what`` and with ``last``."""
    pause = threading.Event()
    deadline = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}; last: {last() or seen}")
        pause.wait(0.25)


@dataclass(frozen=True)
class Kube:
    """kubectl in one namespace of a cluster."""

    cluster: Cluster
    namespace: str

    def kubectl(self, *args: str, stdin: str | None = None, timeout: float = 60) -> str:
        argv = ["kubectl", "--namespace", self.namespace, *args]
        return run(argv, self.cluster.env, timeout=timeout, stdin=stdin)

    def apply(self, *objects: Object) -> None:
        self.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(objects))

    def refused(self, *objects: Object) -> str:
        """The words with which an apply is refused."""
        try:
            self.apply(*objects)
        except CommandError as error:
            return str(error)
        raise AssertionError("the API server accepted it")

    def get(self, kind: str, name: str) -> Object:
        found: Object = json.loads(self.kubectl("get", kind, name, "-o", "json"))
        return found

    def find(self, kinds: str, selector: str = "") -> list[Object]:
        more = ["-l", selector] if selector else []
        items: list[Object] = json.loads(self.kubectl("get", kinds, *more, "-o", "json"))["items"]
        return items

    def children(self) -> list[Object]:
        return self.find(CHILDREN, OURS)

    def pods(self, selector: str = OURS) -> list[Object]:
        return [p for p in self.find("pods", selector) if "deletionTimestamp" not in p["metadata"]]

    def engines(self) -> dict[str, str]:
        """UIDs of the engine pods, by member."""
        found = self.pods("app.kubernetes.io/name=engine")
        return {
            pod["metadata"]["labels"]["fabula.dev/member"]: pod["metadata"]["uid"] for pod in found
        }

    def ready(self, seconds: int = 120, kinds: str = KINDS) -> None:
        self.kubectl(
            *("wait", kinds, "--all", "--for=condition=Ready", f"--timeout={seconds}s"),
            timeout=seconds + 30,
        )

    def condition(self, kind: str, name: str, which: str = "Ready") -> Object:
        found = self.get(kind, name).get("status", {}).get("conditions", [])
        return next((c for c in found if c["type"] == which), {})

    def says(self, kind: str, name: str, reason: str, words: str = "", seconds: float = 60) -> str:
        """The message of the Ready condition once it has this reason and these words."""
        seen: Object = {}

        def look() -> bool:
            seen.update(self.condition(kind, name))
            return seen.get("reason") == reason and words in seen["message"]

        until(f"{kind}/{name} says {reason}: {words}", look, seconds, last=lambda: seen)
        return str(seen["message"])

    def events(self, reason: str) -> list[Object]:
        found = json.loads(
            self.kubectl("get", "events", f"--field-selector=reason={reason}", "-o", "json")
        )
        items: list[Object] = found["items"]
        return items

    def delete(self, *args: str) -> None:
        self.kubectl("delete", *args, "--timeout=120s", timeout=150)

    def gone(self, seconds: float = 90, keep: tuple[str, ...] = ()) -> None:
        """Wait until nothing of ours is left but these kinds."""

        def look() -> bool:
            return not [o for o in self.children() if o["kind"] not in keep]

        until(f"nothing of ours left in {self.namespace}", look, seconds)


@dataclass(frozen=True)
class Game:
    """A game that calls a storyteller, by way of the API server's proxy."""

    kube: Kube
    storyteller: str
    #: Where `kubectl proxy` listens.
    api: str

    def _call(
        self, path: str, body: Object | None = None, headers: dict[str, str] | None = None
    ) -> Any:
        service = f"http:{self.storyteller}-gateway:http"
        request = urllib.request.Request(
            f"{self.api}/api/v1/namespaces/{self.kube.namespace}/services/{service}/proxy{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", **(headers or {})},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            said = answer.read()
            return json.loads(said) if said else None

    def get(self, path: str) -> Any:
        return self._call(path)

    def post(self, path: str, body: Object) -> Any:
        return self._call(path, body)

    def session(self, tester: str | None = None) -> str:
        """A new session, of a tester if one is named."""
        named = {"Fabula-Tester": tester} if tester else {}
        opened: str = self._call("/v1/sessions", {"player": "tester"}, named)["id"]
        return opened

    def ask(self, session: str, **question: Any) -> Object:
        body = {"question": "Where does the road lead?", "options": ["north", "south"], **question}
        answer: Object = self.post(f"/v1/sessions/{session}/decisions", body)
        return answer


@contextmanager
def namespace(cluster: Cluster, name: str) -> Iterator[Kube]:
    """A namespace under restricted pod security. At the end it is told to go, and goes while the
    next test works."""
    kube = Kube(cluster, name)
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    kube.apply(
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": labels},
        }
    )
    try:
        yield kube
    finally:
        kube.kubectl("delete", "namespace", name, "--wait=false")


@contextmanager
def api_proxy(cluster: Cluster) -> Iterator[str]:
    """The API server without TLS on a port of this machine, for as long as the block runs."""
    process = subprocess.Popen(
        ["kubectl", "proxy", "--port=0"], env=cluster.env, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout
        said = process.stdout.readline()
        yield f"http://{said.split()[-1]}"
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout:
            process.stdout.close()
