"""The OpenFeature SDK reads every type through its OFREP provider, from a real server."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import Reason

from crds.trials import Trial
from runtime.arms import drawn, marked
from tests.processes.config.process import process
from tests.unit.runtime.config.serving import with_gold, write_config
from tests.unit.runtime.config.test_callers import keep
from tests.unit.runtime.stubs.waiting import until

PAGE = Path(__file__).parents[3] / "docs/how-to/tunables.md"
MARA = EvaluationContext(targeting_key="s-1", attributes={"level": 7})
#: Seconds from the operator's word to the game's.
SOON = 2.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("config")


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    write_config(folder)
    with process(folder) as address:
        yield address


@pytest.fixture
def client(address: str, folder: Path) -> Iterator[OpenFeatureClient]:
    """The SDK, and a service that has just begun to ask for keys."""
    shown = keep(folder / "keys", "game", "config")
    write_config(folder, generation=2, api_keys_dir=str(folder / "keys"))
    provider = OFREPProvider(address, headers_factory=lambda: shown)
    api.set_provider(provider)
    yield api.get_client()
    api.shutdown()
    provider.session.close()


def test_the_how_to_page_works_as_it_stands(address: str) -> None:
    (block,) = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    names: dict[str, object] = {}
    exec(compile(block.replace("http://emberfall-config:8080", address), PAGE.name, "exec"), names)
    api.shutdown()
    read = [names[name] for name in ("gold", "ash", "hour", "permadeath", "loot")]
    assert read == [120, 1.0, "dusk", False, {"ore": {"iron": 3}}]


def test_every_type_is_read_and_a_change_is_seen_soon(
    client: OpenFeatureClient, folder: Path
) -> None:
    assert client.get_integer_value("quest-gold", 1, MARA) == 120
    assert client.get_boolean_value("permadeath", True, MARA) is False
    assert client.get_float_value("ash-fall", 9.5, MARA) == 1.0
    assert client.get_string_value("hour", "noon", MARA) == "dusk"
    assert client.get_object_value("loot", {}, MARA) == {"ore": {"iron": 3}}

    told = client.get_integer_details("quest-gold", 1, MARA)
    assert (told.variant, told.reason, told.error_code) == ("default", Reason.STATIC, None)
    wrong = client.get_string_details("quest-gold", "x", MARA)
    assert (wrong.value, wrong.error_code) == ("x", ErrorCode.TYPE_MISMATCH)
    missing = client.get_integer_details("quest-silver", 7, MARA)
    assert (missing.value, missing.error_code) == (7, ErrorCode.FLAG_NOT_FOUND)

    write_config(folder, generation=3, api_keys_dir=str(folder / "keys"), tunables=with_gold(140))
    changed = time.monotonic()
    until(lambda: client.get_integer_value("quest-gold", 1, MARA) == 140)
    assert time.monotonic() - changed < SOON


def test_a_promotion_is_seen_soon_by_everybody(client: OpenFeatureClient, folder: Path) -> None:
    richer = Trial(
        experiment="richer-quests",
        salt="r1",
        percent=30,
        tunables={"quest-gold": "140"},
        watched_seconds=600,
    )
    ids = [f"s-{number:024x}" for number in range(100)]
    arms = {drawn(each, "r1", 30): EvaluationContext(marked(each, [richer])) for each in ids}
    more: dict[str, Any] = {"api_keys_dir": str(folder / "keys")}
    write_config(folder, generation=4, trials=[richer.dump()], **more)
    until(lambda: client.get_integer_value("quest-gold", 1, arms["Canary"]) == 140)
    told = {arm: client.get_integer_details("quest-gold", 1, who) for arm, who in arms.items()}
    assert {arm: (each.value, each.variant, each.reason) for arm, each in told.items()} == {
        "Canary": (140, "canary", Reason.SPLIT),
        "Baseline": (120, "baseline", Reason.SPLIT),
        "Rest": (120, "default", Reason.DEFAULT),
    }
    write_config(folder, generation=5, tunables=with_gold(140), **more)
    promoted = time.monotonic()
    until(lambda: client.get_integer_value("quest-gold", 1, arms["Baseline"]) == 140)
    assert time.monotonic() - promoted < SOON
    for who in (*arms.values(), MARA):
        found = client.get_integer_details("quest-gold", 1, who)
        assert (found.value, found.variant, found.reason) == (140, "default", Reason.STATIC)
