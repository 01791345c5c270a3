"""Several processes and one cap: what is promised is exact."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis

from runtime.limits.sqlite_ledger import SqliteLedger

ROOT = Path(__file__).parents[3]
REPLICAS = 3
REQUESTS = 10_000
PROGRAM = [sys.executable, "-m", "tests.processes.limits.replica"]


@contextmanager
def replicas(url: str, limit: int, most: int, mode: str) -> Iterator[list["subprocess.Popen[str]"]]:
    """Three of them, ready to begin, with all requests dealt out."""
    shares = [REQUESTS // REPLICAS + (at < REQUESTS % REPLICAS) for at in range(REPLICAS)]
    made = [
        subprocess.Popen(
            [*PROGRAM, "share", url, str(share), str(limit), str(most), mode],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for share in shares
    ]
    try:
        for process in made:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        yield made
    finally:
        for process in made:
            process.kill()
            process.communicate()


def go(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def told(process: "subprocess.Popen[str]") -> tuple[int, int]:
    assert process.stdout is not None
    served, cost = json.loads(process.stdout.readline())
    return served, cost


def balance(client: "redis.Redis") -> tuple[int, int]:
    key = f"fabula:{{ns/bard}}:money:storyteller/bard:{datetime.now(UTC):%Y-%m}"
    spent, reserved = client.hmget(key, ["spent", "reserved"])
    return int(spent or 0), int(reserved or 0)


def test_ten_thousand_requests_at_a_budget_for_a_thousand_serve_exactly_a_thousand(
    redis_url: str,
) -> None:
    price = 2_500
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        with replicas(redis_url, 1000 * price, price, "fixed") as running:
            for process in running:
                go(process)
            answers = [told(process) for process in running]
        assert sum(served for served, _ in answers) == 1000
        assert balance(client) == (1000 * price, 0)


def test_with_varying_prices_spent_and_reserved_never_pass_the_cap(redis_url: str) -> None:
    most = 2_500
    limit = 1000 * most
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        looks = []
        with replicas(redis_url, limit, most, "vary") as running:
            for process in running:
                go(process)
            with ThreadPoolExecutor(REPLICAS) as pool:
                waiting = [pool.submit(told, process) for process in running]
                while not all(each.done() for each in waiting):
                    looks.append(balance(client))
            answers = [each.result() for each in waiting]
        assert len(set(looks)) > 10
        assert max(spent + reserved for spent, reserved in looks) <= limit
        spent, reserved = balance(client)
        assert (spent, reserved) == (sum(cost for _, cost in answers), 0)
        assert spent <= limit
        assert sum(served for served, _ in answers) >= 1000


@pytest.mark.parametrize("after", [1, 50, 500])
def test_what_was_set_aside_is_still_gone_after_kill_9(tmp_path: Path, after: int) -> None:
    path = tmp_path / "ledger.db"
    limit = 1_000_000
    with subprocess.Popen(
        [*PROGRAM, "until-killed", str(path), str(limit)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        acknowledged = sum(1 for _ in zip(range(after), process.stdout, strict=False))
        process.kill()
        acknowledged += sum(1 for _ in process.stdout)
    SqliteLedger(path)._db.close()
    with closing(sqlite3.connect(path)) as db:
        spent, reserved = db.execute("SELECT sum(spent), sum(reserved) FROM balances").fetchone()
    assert acknowledged >= after
    assert (spent >= acknowledged, reserved) == (True, 0)
