"""What the gateway adds to an engine that costs nothing: ``python -m tests.bench.gateway``

The gateway runs alone on the first core; a stub engine and the load share the second. Its processor
time is shown beside the clock, since other work on the machine disturbs it less.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop

from crds.gateway import CONFIG_KEY, GatewayConfig
from crds.routes import ROUTES_KEY, Route, RouteTable
from tests.bench import load
from tests.bench.load import Figures

GATEWAY_CORE, REST_CORE = 0, 1
SESSIONS = 64
CONNECTIONS = 16
RATE = 300.0
#: Times that memory is looked at on the way.
STEPS = 10
#: What LiteLLM keeps up with here.
LITELLM_RATE = 30.0
ASK = json.dumps({"question": "Does it rain?", "options": ["yes", "no"]}).encode()
CHAT = json.dumps(
    {
        "model": "m",
        "messages": [{"role": "user", "content": "Does it rain?"}],
        "stream": True,
        "logprobs": True,
    },
    separators=(",", ":"),
).encode()
#: The same as a client of the gateway asks it of one member.
PASSED_ON = json.dumps(
    {
        "model": "member-0",
        "messages": [{"role": "user", "content": "Does it rain?"}],
        "stream": True,
    },
    separators=(",", ":"),
).encode()
_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Row:
    """One phase, with what it cost the gateway."""

    what: str
    figures: Figures
    cpu: float = 0.0
    memory: tuple[float, float] = (0.0, 0.0)

    def __str__(self) -> str:
        figures = self.figures
        count = len(figures.latencies)
        cells = [
            self.what,
            f"{figures.rate:,.0f}",
            *(f"{figures.quantile(q) * 1000:.2f}" for q in (0.5, 0.99)),
            f"{figures.first(0.5) * 1000:.2f}",
            f"{self.cpu / count * 1000:.2f}" if self.cpu else "",
            f"{count / self.cpu:,.0f}" if self.cpu else "",
            f"{self.memory[0]:.0f} / {self.memory[1]:.0f}" if self.cpu else "",
            f"{figures.errors}",
        ]
        return "| " + " | ".join(cells) + " |"


COLUMNS = (
    "phase", "answers/s", "p50 ms", "p99 ms", "first byte p50 ms", "CPU ms each",
    "a core could do/s", "MiB before / after", "errors",
)  # fmt: skip
HEAD = f"\n| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}"


class Process:
    """A server of the benchmark on a core of its own."""

    def __init__(self, core: int, *command: str, **env: str) -> None:
        self.process = subprocess.Popen(
            ["taskset", "-c", str(core), *command],
            env=os.environ | env,
            stdout=subprocess.DEVNULL,
        )

    @property
    def cpu(self) -> float:
        """Processor seconds so far."""
        fields = self._stat()
        return (int(fields[11]) + int(fields[12])) / _TICK

    @property
    def memory(self) -> float:
        """Resident MiB."""
        return int(self._stat()[21]) * _PAGE / 2**20

    def _stat(self) -> list[str]:
        return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def gateway(folder: Path, port: int, engine: int, members: int) -> Iterator[Process]:
    """A gateway that asks the stub as so many members."""
    folder.mkdir(exist_ok=True)
    (folder / CONFIG_KEY).write_text(json.dumps(_config().dump()))
    (folder / ROUTES_KEY).write_text(json.dumps(_routes(engine, members).dump()))
    process = Process(
        GATEWAY_CORE,
        sys.executable,
        "-m",
        "runtime.gateway",
        FABULA_CONFIG_FILE=str(folder / CONFIG_KEY),
        FABULA_ROUTES_FILE=str(folder / ROUTES_KEY),
        FABULA_DATA_DIR=str(folder / f"data-{members}"),
        FABULA_HOST="127.0.0.1",
        FABULA_PORT=str(port),
        FABULA_GRPC_PORT="0",
        FABULA_DRAIN_DELAY_SECONDS="0",
    )
    try:
        _until(lambda: _get(port, "/v1/status").count(b'"answers":true') == members)
        yield process
    finally:
        process.stop()


@contextmanager
def litellm(venv: Path, folder: Path, port: int, engine: int) -> Iterator[Process]:
    """LiteLLM's proxy before the stub, from an environment of its own, calling nobody else."""
    settings = {
        "model": "openai/m",
        "api_base": f"http://127.0.0.1:{engine}/v1",
        "api_key": "none",
    }
    config = folder / "litellm.yaml"
    # JSON is YAML.
    config.write_text(json.dumps({"model_list": [{"model_name": "m", "litellm_params": settings}]}))
    process = Process(
        GATEWAY_CORE,
        *(str(venv / "bin" / "litellm"), "--config", str(config), "--telemetry", "False"),
        *("--host", "127.0.0.1", "--port", str(port)),
        LITELLM_LOCAL_MODEL_COST_MAP="True",
        LITELLM_LOCAL_POLICY_TEMPLATES="True",
        LITELLM_LOCAL_BLOG_POSTS="True",
        LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS="True",
        LITELLM_MASTER_KEY=load.KEY,
        PYTHONPATH="",
    )
    try:
        _until(lambda: b"alive" in _get(port, "/health/liveliness"))
        yield process
    finally:
        process.stop()


def _config() -> GatewayConfig:
    return GatewayConfig(
        storyteller="bard",
        namespace="default",
        generation=1,
        title="Emberfall",
        lore="Ash falls like snow. " * 20,
        persona="You are the bard.",
        fallback_lines=("The bard waits.",),
        routes_config_map="narrators-routes",
    )


def _routes(engine: int, members: int) -> RouteTable:
    return RouteTable(
        ensemble="narrators",
        generation=1,
        timeout_seconds=5,
        # All of them: an early exit would cancel what is to be measured.
        minimum_votes=members,
        when_no_quorum="BestMember",
        routes=[
            Route(
                member=f"member-{number}",
                revision="0000000a",
                weight=1,
                engine="llamacpp",
                model="small",
                url=f"http://127.0.0.1:{engine}",
                role="You look after the weather.",
                timeout_seconds=5,
            )
            for number in range(members)
        ],
    )


def _get(port: int, path: str) -> bytes:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
            return bytes(answer.read())
    except OSError:
        return b""


def _until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"not within {seconds:g} s")
        time.sleep(0.1)


async def _sessions(port: int) -> list[str]:
    """Ids of new sessions; a decision in the first of them shows that everyone is heard."""
    client = load.Client(port)
    answers = [await client.send("/v1/sessions", b"{}") for _ in range(SESSIONS)]
    found = [json.loads(body)["id"] for _, body, _ in answers]
    _, decision, _ = await client.send(f"/v1/sessions/{found[0]}/decisions", ASK)
    client.close()
    if json.loads(decision)["confidence"] != 1.0:
        raise SystemExit(f"not every member was heard: {decision.decode()}")
    return found


def _decisions(sessions: list[str]) -> load.Request:
    return lambda number: (f"/v1/sessions/{sessions[number % SESSIONS]}/decisions", ASK)


async def measure(port: int, engine: int, seconds: float, folder: Path) -> list[Row]:
    """All phases."""

    def direct(_: int) -> tuple[str, bytes]:
        return "/v1/chat/completions", CHAT

    def passed_on(_: int) -> tuple[str, bytes]:
        return "/v1/chat/completions", PASSED_ON

    await load.steady(engine, direct, RATE, 1)
    rows = [Row(f"the stub alone, {RATE:g}/s", await load.steady(engine, direct, RATE, seconds))]
    for members in (1, 3):
        with gateway(folder, port, engine, members) as process:
            request = _decisions(await _sessions(port))
            await load.saturate(port, request, CONNECTIONS, 2)
            steady = load.steady(port, request, RATE, seconds)
            rows.append(await _row(f"decisions of {members}, {RATE:g}/s", process, steady))
            full = load.saturate(port, request, CONNECTIONS, seconds)
            rows.append(await _row(f"decisions of {members}, {CONNECTIONS} at once", process, full))
            if members > 1:
                continue
            await load.saturate(port, passed_on, CONNECTIONS, 2)
            steady = load.steady(port, passed_on, RATE, seconds)
            rows.append(await _row(f"passing on, {RATE:g}/s", process, steady))
            full = load.saturate(port, passed_on, CONNECTIONS, seconds)
            rows.append(await _row(f"passing on, {CONNECTIONS} at once", process, full))
    return rows


async def measure_memory(port: int, engine: int, requests: int, folder: Path) -> list[Row]:
    """So many decisions of one member and long completions in turn, in steps; no text comes twice.
    What a gateway keeps in memory is bounded, and full after the first of them."""

    with gateway(folder, port, engine, 1) as process:
        sessions = await _sessions(port)

        def either(number: int) -> tuple[str, bytes]:
            if number % 2:
                path = f"/v1/sessions/{sessions[number // 2 % SESSIONS]}/decisions"
                return path, ASK.replace(b"rain", b"rain on day %d" % number)
            asked = PASSED_ON.replace(b"member-0", b"bard")
            return "/v1/chat/completions", asked.replace(b"rain", b"rain, %d," % number * 200)

        step = requests // STEPS
        return [
            await _row(
                f"requests {start:,} to {start + step:,}",
                process,
                load.count(port, either, CONNECTIONS, range(start, start + step)),
            )
            for start in range(0, step * STEPS, step)
        ]


async def measure_litellm(venv: Path, port: int, engine: int, seconds: float) -> list[Row]:
    """LiteLLM's proxy in the gateway's place. It counts and records nothing."""

    def through(_: int) -> tuple[str, bytes]:
        return "/v1/chat/completions", CHAT

    with (
        tempfile.TemporaryDirectory() as folder,
        litellm(venv, Path(folder), port, engine) as proxy,
    ):
        await load.saturate(port, through, CONNECTIONS, 2)
        steady = load.steady(port, through, LITELLM_RATE, seconds)
        rows = [await _row(f"LiteLLM, {LITELLM_RATE:g}/s", proxy, steady)]
        full = load.saturate(port, through, CONNECTIONS, seconds)
        return [*rows, await _row(f"LiteLLM, {CONNECTIONS} at once", proxy, full)]


async def _row(what: str, process: Process, work: Awaitable[Figures]) -> Row:
    cpu, memory = process.cpu, process.memory
    figures = await work
    return Row(what, figures, process.cpu - cpu, (memory, process.memory))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each phase")
    parser.add_argument("--port", type=int, default=21200, help="first of three ports")
    parser.add_argument("--requests", type=int, default=0, help="watch memory over so many")
    parser.add_argument("--litellm", type=Path, help="an environment with litellm[proxy]")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {REST_CORE})
    engine = arguments.port + 1
    stub = Process(REST_CORE, sys.executable, "-m", "tests.bench.stub_engine", str(engine))
    try:
        _until(lambda: _get(engine, "/readyz") == b"ok\n")
        with tempfile.TemporaryDirectory() as folder:
            rows = uvloop.run(measure(arguments.port, engine, arguments.seconds, Path(folder)))
            if arguments.requests:
                through = measure_memory(
                    arguments.port, engine, arguments.requests, Path(folder) / "memory"
                )
                rows += uvloop.run(through)
            if arguments.litellm:
                proxy = measure_litellm(
                    arguments.litellm, arguments.port + 2, engine, arguments.seconds
                )
                rows += uvloop.run(proxy)
    finally:
        stub.stop()
    print(HEAD)
    for row in rows:
        print(row)
    alone, added = rows[0].figures, rows[1].figures
    print(
        "\nAdded at 300/s: "
        + ", ".join(
            f"p{q * 100:g} {(added.quantile(q) - alone.quantile(q)) * 1000:.2f} ms"
            for q in (0.5, 0.99)
        )
    )


if __name__ == "__main__":
    main()
