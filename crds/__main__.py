"""``python -m crds`` writes the CRDs and their reference; ``--check`` fails where they differ."""

import sys
from pathlib import Path

import yaml

from crds.definition import KINDS, definition
from crds.generated import write_or_check
from crds.reference import page

CRDS = Path("charts/fabula/files/crds")
PAGES = Path("docs/reference/api")


def outputs() -> dict[Path, str]:
    """Every generated file and what it should hold."""
    files: dict[Path, str] = {}
    for kind in KINDS:
        text = yaml.safe_dump(definition(kind), sort_keys=False, width=100, allow_unicode=True)
        files[CRDS / f"{kind.names.plural}.yaml"] = text
        files[PAGES / f"{kind.names.kind.lower()}.md"] = page(kind)
    return files


def main() -> int:
    return write_or_check("crds", __doc__, outputs())


if __name__ == "__main__":
    sys.exit(main())
