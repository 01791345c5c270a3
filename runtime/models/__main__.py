"""`python -m runtime.models`: the main process of the pods that resolve and fetch models."""

import argparse
import asyncio
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import structlog
from yarl import URL

from crds.models import FINAL, ModelReport
from runtime.models import sources
from runtime.models.claim import Claim
from runtime.models.mlflow import Registry
from runtime.models.problems import LASTING, ModelError
from runtime.models.resolve import resolve
from runtime.models.web import Web, authorization, session

_log = structlog.get_logger(__name__)
_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
_UNITS |= {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50}


def size(text: str) -> int:
    """Bytes of a Kubernetes quantity such as 16Gi."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(m|[kMGTP]i?|Ki)?", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no quantity; write one as in 16Gi")
    unit = match.group(2) or ""
    return int(float(match.group(1)) * (_UNITS[unit] if unit != "m" else 0.001))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m runtime.models", allow_abbrev=False)
    parser.add_argument(
        "--report",
        type=Path,
        default=Path("/dev/termination-log"),
        help="where to say in the end how it went (default: /dev/termination-log)",
    )
    tasks = parser.add_subparsers(dest="task", required=True)
    both = argparse.ArgumentParser(add_help=False)
    both.add_argument("--uri", required=True, help="as in the spec of a member")
    both.add_argument("--registry", type=URL, help="where the API of MLflow answers")
    both.add_argument("--credentials", type=Path, help="the folder of a mounted Secret")
    resolving = tasks.add_parser("resolve", parents=[both], help="say what the uri means")
    resolving.add_argument("--known-version", help="a version whose digest is known")
    resolving.add_argument("--known-digest", help="its digest")
    fetching = tasks.add_parser("fetch", parents=[both], help="fill a claim")
    fetching.add_argument("--digest", required=True, help="what has to come of it")
    fetching.add_argument("--into", type=Path, required=True, help="where the claim is mounted")
    fetching.add_argument("--size-limit", type=size, required=True, help="the most bytes")
    return parser


async def _work(given: argparse.Namespace) -> ModelReport:
    async with session() as connections:
        registry = None
        if given.registry:
            secret = authorization(
                given.credentials,
                "MLFLOW_TRACKING_TOKEN",
                "MLFLOW_TRACKING_USERNAME",
                "MLFLOW_TRACKING_PASSWORD",
            )
            web = Web(connections, secret, promised=given.credentials is not None)
            registry = Registry(web, given.registry)
        if given.task == "resolve":
            if registry is None:
                raise ModelError("Unusable", f"{given.uri}: --registry is missing")
            known = ModelReport(version=given.known_version, digest=given.known_digest)
            return await resolve(registry, given.uri, known if known.version else None)
        files = await sources.files(given.uri, connections, given.credentials, registry)
        claim = Claim(given.into, given.size_limit)
        return await claim.fill(files, given.digest, single=registry is None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0, 1 where another try may help, and FINAL where it would not."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.JSONRenderer(),
        ]
    )
    given = _parser().parse_args(arguments)
    try:
        report, status = asyncio.run(_work(given)), 0
    except ModelError as error:
        _log.error("failed", problem=error.problem, message=str(error))
        report = ModelReport(problem=error.problem, message=str(error)[:400])
        status = FINAL if error.problem in LASTING else 1
    given.report.write_text(report.model_dump_json(by_alias=True, exclude_none=True))
    return status


if __name__ == "__main__":
    sys.exit(main())
