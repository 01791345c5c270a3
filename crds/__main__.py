"""``python -m crds`` writes the CRDs and their reference; ``--check`` fails where they differ."""

import argparse
import sys
from pathlib import Path

import yaml

from crds.definition import KINDS, definition
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
    parser = argparse.ArgumentParser(prog="python -m crds", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    check = parser.parse_args().check
    stale = []
    for path, text in outputs().items():
        if path.is_file() and path.read_text() == text:
            continue
        stale.append(path)
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    for path in stale:
        print(f"{'differs' if check else 'wrote'} {path}")
    if check and stale:
        print("run `python -m crds` and commit the result", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
