"""What a namespace looks like once identities, times and addresses are taken out: two runs that
ended in the same state compare equal."""

import json
import re
from typing import Any

from tests.e2e.kube import CHILDREN, KINDS, OURS, Kube

VOLATILE = {
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "managedFields",
    "generation",
    "observedGeneration",
    "lastTransitionTime",
    "clusterIP",
    "clusterIPs",
    "volumeName",
    "fabula.dev/routes-changed-at",
    # A hash over the object with its owner's uid.
    "fabula.dev/applied",
    # The digest of the route table, whose addresses name the namespace; the table is compared.
    "routes",
    # Each log has a key of its own.
    "audit",
    "at",
}
#: The state of these is their controllers' matter; pods have random names.
NO_STATUS = {"Deployment", "StatefulSet", "PodDisruptionBudget", "PersistentVolumeClaim", "Pod"}

#: Labels with hashes over templates that name their namespace.
HASHES = {"pod-template-hash", "controller-revision-hash"}


def end_state(kube: Kube) -> dict[str, Any]:
    """Every object of ours in the namespace, by kind and name."""
    objects = [*kube.find(CHILDREN, OURS), *kube.find(KINDS)]
    state: dict[str, Any] = {}
    for obj in objects:
        kind, name = obj["kind"], obj["metadata"]["name"]
        if kind == "ControllerRevision" and _of_stateful_set(obj):
            continue
        if kind in NO_STATUS:
            obj.pop("status", None)
        if kind == "Pod":
            name = re.sub(r"-[a-z0-9]{8,10}-[a-z0-9]{5}$", "", name)
            obj = {"labels": _without(obj["metadata"]["labels"], HASHES)}
        key = f"{kind}/{name}"
        assert key not in state, f"two of {key}"
        text = json.dumps(_stable(obj)).replace(kube.namespace, "NAMESPACE")
        state[key] = json.loads(text)
    return state


def _of_stateful_set(obj: dict[str, Any]) -> bool:
    return any(ref["kind"] == "StatefulSet" for ref in obj["metadata"].get("ownerReferences", []))


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Where two states differ, a line each."""
    if isinstance(one, dict) and isinstance(other, dict):
        found: list[str] = []
        for key in sorted(one.keys() | other.keys()):
            found += differences(one.get(key), other.get(key), f"{path}/{key}")
        return found
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [
            line
            for number, (a, b) in enumerate(zip(one, other, strict=True))
            for line in differences(a, b, f"{path}[{number}]")
        ]
    return [] if one == other else [f"{path}: {one!r} is not {other!r}"]


def _without(labels: dict[str, str], names: set[str]) -> dict[str, str]:
    return {key: value for key, value in labels.items() if key not in names}


def _stable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _stable(item) for key, item in value.items() if key not in VOLATILE}
    if isinstance(value, list):
        return [_stable(item) for item in value]
    return value
