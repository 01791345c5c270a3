"""``python -m runtime.protocol`` writes the gRPC stubs; ``--check`` fails where they differ."""

import argparse
import sys
import tempfile
from pathlib import Path

from grpc_tools import protoc

PROTO = Path("runtime/protocol/model_ensemble.proto")


def outputs() -> dict[Path, str]:
    """Every generated file and what it should hold."""
    with tempfile.TemporaryDirectory() as folder:
        kinds = [f"--{kind}_out={folder}" for kind in ("python", "pyi", "grpc_python")]
        # A path inside the repository, so that the stubs import each other by their full names.
        include = Path(protoc.__file__).parent / "_proto"
        if protoc.main(["protoc", "-I.", f"-I{include}", *kinds, str(PROTO)]) != 0:
            raise SystemExit(f"{PROTO} is not valid")
        made = sorted(Path(folder).rglob("*_pb2*"))
        return {path.relative_to(folder): path.read_text() for path in made}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m runtime.protocol", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    check = parser.parse_args().check
    stale = []
    for path, text in outputs().items():
        if path.is_file() and path.read_text() == text:
            continue
        stale.append(path)
        if not check:
            path.write_text(text)
    for path in stale:
        print(f"{'differs' if check else 'wrote'} {path}")
    if check and stale:
        print("run `python -m runtime.protocol` and commit the result", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
