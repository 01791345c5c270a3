"""`python -m runtime.smoke ROUTE...`: ask each of these ways to be a member one question, within
its own timeout, by the client that gateways use, and say in the termination message how it went.

The answer itself is shown to nobody: what a model says is not to be trusted.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import structlog

from crds.models import ModelReport
from crds.routes import Route
from runtime.engines.asking import collect
from runtime.engines.base import Engine, EngineError, Prompt
from runtime.engines.factory import engine_for

QUESTION = "Where are we, and what do you see? Answer in one sentence."
TOLD = "You are a character in a story."

_log = structlog.get_logger(__name__)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m runtime.smoke", allow_abbrev=False)
    parser.add_argument("routes", nargs="+", metavar="ROUTE", help="as JSON, as in a route table")
    parser.add_argument(
        "--tries", type=int, default=1, metavar="N", help="how often to ask each (default: 1)"
    )
    parser.add_argument(
        "--report",
        type=Path,
        default=Path("/dev/termination-log"),
        help="where to say in the end how it went (default: /dev/termination-log)",
    )
    return parser


async def ask(routes: Sequence[Route], tries: int = 1) -> str | None:
    """What is wrong with the first of them that gives no answer in so many tries; None: nothing."""
    async with aiohttp.ClientSession() as http:
        for route in routes:
            engine = engine_for(route, http)
            try:
                problem = await _ask(engine, route, tries)
            finally:
                await engine.close()
            if problem:
                return f"{route.member}/{route.variant} {route.revision}: {problem.public}"
            _log.info("answered", variant=route.variant, revision=route.revision)
    return None


async def _ask(engine: Engine, route: Route, tries: int) -> EngineError | None:
    """Why there was no answer the last time; None where there is one."""
    prompt = Prompt.of(route.role or TOLD, QUESTION, route.sampling)
    problem = None
    for _ in range(tries):
        try:
            await collect(engine, prompt, route.timeout_seconds)
            return None
        except EngineError as error:
            problem = error
    return problem


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0, or 1 where one gave no answer."""
    given = _parser().parse_args(arguments)
    routes = [Route.model_validate_json(text) for text in given.routes]
    problem = asyncio.run(ask(routes, given.tries))
    if problem:
        _log.error("no answer", problem=problem)
    report = ModelReport(message=problem[:400] if problem else None)
    given.report.write_text(report.model_dump_json(by_alias=True, exclude_none=True))
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
