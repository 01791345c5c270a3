"""Two gateways never write to one volume at the same time."""

import asyncio
from pathlib import Path

import pytest

from runtime.gateway import volume
from runtime.gateway.volume import VolumeInUseError, hold
from tests.unit.runtime.stubs.engine import Stub
from tests.unit.runtime.stubs.gateway import house, serving


async def test_a_second_gateway_waits_until_the_first_has_ended(tmp_path: Path) -> None:
    async with house(tmp_path, Stub(answer="yes")) as home:
        session = await home.session()
        second = serving(tmp_path)
        starting = asyncio.create_task(second.__aenter__())
        made = [await home.decide(session, question=f"Day {day}?") for day in range(3)]
        assert not starting.done()
    client, gateway = await starting
    assert len(gateway.decisions) == 3
    for decision in made:
        assert (await client.get(f"/v1/decisions/{decision['id']}")).status_code == 200
    await second.__aexit__(None, None, None)


async def test_a_volume_that_stays_in_use_is_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(volume, "WAIT_SECONDS", 0.0)
    held = await hold(tmp_path, lambda: False)
    with pytest.raises(VolumeInUseError, match="delete the pod that still uses this volume"):
        await hold(tmp_path, lambda: False)
    held.close()
    (await hold(tmp_path, lambda: False)).close()
