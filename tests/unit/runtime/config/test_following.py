"""What the operator writes is served; what cannot be read changes nothing."""

import asyncio
import json
from collections.abc import AsyncGenerator

import pytest

from runtime.config.service import ConfigService
from runtime.config.settings import Settings
from tests.unit.runtime.config.serving import TUNABLES, with_gold
from tests.unit.runtime.stubs.waiting import eventually

GOOD = {"world": "emberfall", "generation": 1, "digest": "d1", "tunables": TUNABLES}


class Script:
    """A source that yields these texts and then waits."""

    def __init__(self, *texts: str | None) -> None:
        self._texts = texts
        self.done = False

    async def follow(self, name: str, key: str) -> AsyncGenerator[str | None, None]:
        for text in self._texts:
            yield text
        self.done = True
        await asyncio.Event().wait()


async def following(*texts: str | None) -> ConfigService:
    """A service that was told all this."""
    script = Script(*texts)
    service = ConfigService(Settings(config_map="emberfall-config"), script)
    service.open()
    await eventually(lambda: script.done)
    await service.close()
    return service


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "{",
        '{"world": 1}',
        json.dumps({**GOOD, "other": 1}),
        json.dumps({**GOOD, "tunables": [{"name": "a", "type": "Object", "default": "{"}]}),
    ],
)
async def test_what_cannot_be_read_changes_nothing(text: str | None) -> None:
    service = await following(json.dumps(GOOD), text)
    assert service.catalogue.config.digest == "d1"
    assert (await following(text)).unready is not None


async def test_the_latest_is_served() -> None:
    later = {**GOOD, "generation": 2, "tunables": with_gold(140)}
    service = await following(json.dumps(GOOD), json.dumps(later))
    assert service.catalogue.config.tunables[0].default == "140"
