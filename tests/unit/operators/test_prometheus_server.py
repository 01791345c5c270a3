"""What a real Prometheus makes of the counters of gateways, some of which start again from 0."""

import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from controllers.plan import Children
from operators.observe.prometheus import Prometheus
from tests.unit.operators import test_prometheus as asking
from tests.unit.operators.fakes import Clock
from tests.unit.operators.prometheus_server import program, prometheus_server
from tests.unit.runtime.stubs.redis import free_port

SCRAPE = 15
RATIO = (
    'sum(increase(failed_total{rollout="$rollout",arm="$arm"}[$window])) / '
    'sum(increase(made_total{rollout="$rollout",arm="$arm"}[$window]))'
)
#: Made and failed by the canary's gateway, from scrape to scrape; it starts again after the sixth.
MADE, FAILED, AGAIN = 10, 2, 6


def exposition() -> str:
    """Ten minutes of two gateways, from two minutes before the rollout begins. That of the baseline
    is not scraped in the third window of it, and the canary's starts again from 0."""
    begun = int(asking.BEGUN.timestamp())
    lines: dict[str, list[str]] = {"made": [], "failed": []}
    for arm, failed in (("Canary", FAILED), ("Baseline", 1)):
        made_so_far = failed_so_far = 0
        for scrape in range(-8, 32):
            at = begun + scrape * SCRAPE
            if arm == "Canary" and scrape == AGAIN:
                made_so_far = failed_so_far = 0
            made_so_far, failed_so_far = made_so_far + MADE, failed_so_far + failed
            if arm == "Baseline" and 8 <= scrape <= 12:
                continue
            labels = f'{{rollout="{asking.SALT}",arm="{arm}"}}'
            lines["made"].append(f"made_total{labels} {made_so_far} {at}")
            lines["failed"].append(f"failed_total{labels} {failed_so_far} {at}")
    parts = [f"# TYPE {name} counter\n" + "\n".join(rows) for name, rows in lines.items()]
    return "\n".join(parts) + "\n# EOF\n"


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "metrics.txt").write_text(exposition())
    made = ("tsdb", "create-blocks-from", "openmetrics", "metrics.txt", "data")
    subprocess.run([program("promtool"), *made], cwd=tmp_path, check=True, timeout=60)
    with prometheus_server(tmp_path, "127.0.0.1", free_port()) as found:
        yield found


@pytest.mark.peers
async def test_shares_are_right_across_restarts_and_gaps_are_gaps(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(asking.METRIC, "prometheus", {"query": RATIO})
    async with aiohttp.ClientSession() as session:
        prometheus = Prometheus(
            session, (address,), Clock(), lambda: asking.BEGUN + timedelta(minutes=7)
        )
        told = await prometheus(asking.ensemble(address), asking.world(address), Children())
    assert told is not None
    assert told.trouble is None
    assert [window.number - asking.FIRST for window in told.windows] == list(range(6))
    shares = [window.canary["quests-failed"] for window in told.windows]
    assert shares == pytest.approx([FAILED / MADE] * 6)
    assert [window.baseline.get("quests-failed") for window in told.windows] == [
        pytest.approx(0.1), pytest.approx(0.1), None, pytest.approx(0.1), pytest.approx(0.1),
        pytest.approx(0.1),
    ]  # fmt: skip


@pytest.mark.peers
async def test_a_query_that_it_refuses_is_said_in_its_words(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(asking.METRIC, "prometheus", {"query": "sum( $arm $rollout $window"})
    async with aiohttp.ClientSession() as session:
        prometheus = Prometheus(
            session, (address,), Clock(), lambda: asking.BEGUN + timedelta(minutes=7)
        )
        told = await prometheus(asking.ensemble(address), asking.world(address), Children())
    assert told is not None
    assert "refuses the query of quests-failed: " in (told.trouble or "")
    assert "parse error" in (told.trouble or "")
