"""``python -m runtime.protocol`` writes the gRPC stubs; ``--check`` fails where they differ."""

import sys
import tempfile
from pathlib import Path

from grpc_tools import protoc

from crds.generated import write_or_check

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
    return write_or_check("runtime.protocol", __doc__, outputs())


if __name__ == "__main__":
    sys.exit(main())
