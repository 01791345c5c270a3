"""The hand-written pages leave nothing out: reasons, settings, metrics, decisions."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from crds import KINDS
from operators.metrics import Metrics
from operators.settings import Settings

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
#: Where a reason stands among the arguments.
REASONS = {"Verdict": 1, "Fault": 0, "Event": 1, "MissingTextError": 0}


def reasons() -> Iterator[str]:
    """Every reason that a condition or an Event can have, read from the code."""
    for path in [*(ROOT / "controllers").rglob("*.py"), ROOT / "operators/reconcile.py"]:
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            place = REASONS.get(node.func.id)
            if place is None or len(node.args) <= place:
                continue
            match node.args[place]:
                case ast.Constant(value=str(reason)):
                    yield reason
                case ast.JoinedStr(values=[_, ast.Constant(value="NotFound")]):
                    yield from (f"{kind.names.kind}NotFound" for kind in KINDS[:2])


@pytest.mark.parametrize("reason", sorted(set(reasons())))
def test_every_reason_has_a_row(reason: str) -> None:
    rows = (DOCS / "how-to/troubleshoot.md").read_text()
    assert f"| `{reason}` |" in rows


def test_no_row_tells_of_a_reason_that_is_gone() -> None:
    text = (DOCS / "how-to/troubleshoot.md").read_text()
    told = set(re.findall(r"^\| `([A-Za-z]+)` \|", text, re.MULTILINE))
    code = "".join(
        path.read_text()
        for folder in ("controllers", "operators")
        for path in (ROOT / folder).rglob("*.py")
    )
    assert {reason for reason in told if f'"{reason}"' not in code} <= {
        f"{kind.names.kind}NotFound" for kind in KINDS
    }


def test_every_setting_of_the_operator_has_a_row() -> None:
    told = set(re.findall(r"`(FABULA_[A-Z_]+)`", (DOCS / "reference/operator.md").read_text()))
    assert told == {f"FABULA_{name.upper()}" for name in Settings.model_fields}


def test_every_metric_of_the_operator_has_a_row() -> None:
    page = (DOCS / "reference/operator.md").read_text()
    names = {
        metric.name + ("_total" if metric.type == "counter" else "")
        for metric in Metrics().registry.collect()
        if metric.name.startswith("fabula_")
    }
    assert {name for name in names if f"`{name}" not in page} == set()


def test_every_decision_is_listed_and_says_context_choice_and_consequence() -> None:
    index = (DOCS / "decisions/index.md").read_text()
    pages = sorted(set((DOCS / "decisions").glob("*.md")) - {DOCS / "decisions/index.md"})
    assert pages
    for page in pages:
        assert f"({page.name})" in index
        headings = re.findall(r"^## (.+)$", page.read_text(), re.MULTILINE)
        assert headings == ["Context", "Choice", "Consequence"], page.name


def test_the_site_loads_nothing_from_elsewhere() -> None:
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    assert config["theme"]["font"] is False
    assert "repo_url" not in config
    assert not {"extra_javascript", "extra_css"} & config.keys()
    fences = "\n".join(page.read_text() for page in DOCS.rglob("*.md"))
    assert "```mermaid" not in fences


@pytest.mark.parametrize("page", sorted(ROOT.glob("*.md")), ids=lambda page: page.name)
def test_links_of_pages_outside_of_the_site_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    local = [link for link in links if not link.startswith(("http:", "https:"))]
    assert [link for link in local if not (ROOT / link).exists()] == []
