"""Waiting until a world is what its YAML and the installed operator say now.

A status that says Ready may be older than the operator that was just installed. So each object is
asked to be looked at again; its answer comes in the same write as its conditions do.
"""

import json
import uuid
from collections.abc import Mapping

from cli.run import run


def settle(env: Mapping[str, str], namespace: str, kinds: str, seconds: int) -> None:
    """Wait until every object of these kinds was looked at again, nothing is under way, and all are
    ready.

    Args:
        env: with the kubeconfig.
        namespace: where they are.
        kinds: as kubectl names them, with commas between.
        seconds: how long each of the three may take.

    Raises:
        CommandError: it took longer, or kubectl refused.
    """
    kubectl = ("kubectl", "--namespace", namespace)
    request = {"action": "Reconcile", "id": uuid.uuid4().hex}
    patch = json.dumps({"status": {"request": request}})
    names = run([*kubectl, "get", kinds, "--output=name"], env, timeout=30).split()
    for name in names:
        ask = ("patch", name, "--subresource=status", "--type=merge", "--patch", patch)
        run([*kubectl, *ask], env, timeout=30)
    for state in (
        f"jsonpath={{.status.lastRequest.id}}={request['id']}",
        "condition=Reconciling=False",
        "condition=Ready",
    ):
        wait = ("wait", *names, f"--for={state}", f"--timeout={seconds}s")
        run([*kubectl, *wait], env, timeout=seconds + 30)
