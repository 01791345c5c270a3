"""Command line: `python -m images build [target ...]` and `python -m images lock`."""

import argparse
import sys
import time
from collections.abc import Sequence

from images.builder import build
from images.lock import LockError, lock
from images.process import BuildError
from images.targets import TARGETS


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m images", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    builder = commands.add_parser(
        "build", help="build what is not in the cache, print the archives"
    )
    builder.add_argument("targets", nargs="*", metavar="target", help=f"of {', '.join(TARGETS)}")
    builder.add_argument("--base", help="image to start from, with Python 3.11 and pip")
    commands.add_parser("lock", help="write images/requirements/*.txt from pyproject.toml")
    options = parser.parse_args(arguments)

    started = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - started:7.1f} s  {text}", file=sys.stderr, flush=True)

    try:
        if options.command == "lock":
            lock(say=say)
        else:
            for path in build(options.targets or tuple(TARGETS), say, base=options.base).values():
                print(path)
    except (BuildError, LockError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
