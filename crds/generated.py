"""Files that are made from others and committed: written, or held against what they should be."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path


def write_or_check(module: str, about: str | None, outputs: Mapping[Path, str]) -> int:
    """The command line of ``python -m module``; returns its exit status.

    Args:
        module: its name.
        about: what ``--help`` says.
        outputs: every file, from the root of the repository, and what it should hold.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=about)
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    check = parser.parse_args().check
    stale = [
        path for path, text in outputs.items() if not path.is_file() or path.read_text() != text
    ]
    for path in stale:
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(outputs[path])
        print(f"{'differs' if check else 'wrote'} {path}")
    if check and stale:
        print(f"run `python -m {module}` and commit the result", file=sys.stderr)
        return 1
    return 0
