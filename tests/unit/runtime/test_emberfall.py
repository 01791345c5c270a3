"""The example world is one that the API takes, and fits what a gateway tells its members."""

from pathlib import Path
from typing import Any

import yaml

from crds import API_VERSION, KINDS
from runtime.gateway.story import prompt

FOLDER = Path(__file__).parents[3] / "examples/emberfall/world"


def documents() -> list[dict[str, Any]]:
    return [
        document
        for path in sorted(FOLDER.glob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text())
    ]


def test_every_object_is_understood_and_none_names_a_namespace() -> None:
    kinds = {kind.names.kind: kind for kind in KINDS}
    found = [document for document in documents() if document["apiVersion"] == API_VERSION]
    assert {document["kind"] for document in found} == {"World", "ModelEnsemble", "Storyteller"}
    for document in found:
        kinds[document["kind"]].parse(document)
    assert all("namespace" not in document["metadata"] for document in documents())


def test_its_texts_are_told_whole() -> None:
    texts = {
        key: text
        for document in documents()
        if document["kind"] == "ConfigMap"
        for key, text in document["data"].items()
    }
    assert len(texts["lore"]) <= prompt.LORE
    assert len(texts["persona"]) <= prompt.PERSONA
