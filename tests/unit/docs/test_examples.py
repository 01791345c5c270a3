"""Every example in the documentation is one that the API takes."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from crds import API_VERSION, KINDS
from crds.common import MAX_NAME

ROOT = Path(__file__).parents[3]
PAGES = [
    ROOT / "README.md",
    ROOT / "charts/fabula/README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
FENCE = re.compile(r"^ *```ya?ml\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)

EXAMPLES = [
    pytest.param(document, id=f"{page.relative_to(ROOT)}: {document['kind']}")
    for page in PAGES
    for block in FENCE.findall(page.read_text())
    for document in yaml.safe_load_all(block)
    if isinstance(document, dict) and document.get("apiVersion") == API_VERSION
]


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 8


@pytest.mark.parametrize("document", EXAMPLES)
def test_the_example_is_understood(document: dict[str, Any]) -> None:
    kind = next(kind for kind in KINDS if kind.names.kind == document["kind"])
    assert document.keys() <= {"apiVersion", "kind", "metadata", "spec"}
    parsed = kind.parse(document)
    assert len(parsed.metadata.name) <= MAX_NAME
