"""Templates that come with the configuration: used when they can be, and harmless when not."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

from crds.gateway import CONFIG_KEY, GatewayConfig
from runtime.gateway.following import Following
from runtime.gateway.story.prompt import Scene, build
from tests.unit.runtime.gateway.story.test_prompt import CONFIG, ROUTE
from tests.unit.runtime.stubs.waiting import eventually

GOOD = "<story>{{ facts | join }}{{ question }}</story>Say yes.{{ options | join }}"


def with_user(template: str) -> GatewayConfig:
    return CONFIG.model_copy(update={"prompts": {"user.j2": template}})


class Told:
    """A source that a test speaks through."""

    def __init__(self) -> None:
        self.texts: asyncio.Queue[str | None] = asyncio.Queue()

    async def follow(self, name: str, key: str) -> AsyncGenerator[str | None, None]:
        while key != CONFIG_KEY:
            yield None
            await asyncio.Event().wait()
        while True:
            yield await self.texts.get()

    def say(self, config: GatewayConfig) -> None:
        self.texts.put_nowait(config.model_dump_json(by_alias=True, exclude_none=True))


def test_a_template_says_what_a_member_is_asked() -> None:
    asked = build(with_user(GOOD), ROUTE, Scene("Is it <b>?", None), None)
    assert asked.turns[-1].content == "<story>Is it ‹b›?</story>Say yes."


def test_one_that_fails_after_all_gives_way_to_the_default() -> None:
    failing = GOOD + "{{ player.nothing }}"
    asked = build(with_user(failing), ROUTE, Scene("What now?", None), None)
    assert asked == build(CONFIG, ROUTE, Scene("What now?", None), None)


async def test_templates_that_cannot_be_used_leave_those_in_use(tmp_path: Path) -> None:
    source = Told()
    following = Following(source, "bard-gateway", tmp_path, lambda _: None)
    following.start()
    source.say(with_user(GOOD))
    await eventually(lambda: following.config is not None)
    source.say(with_user("{{ qestion }}").model_copy(update={"generation": 2}))
    await eventually(lambda: following.prompts_refused is not None)
    assert following.prompts_refused is not None
    assert "did you mean question?" in following.prompts_refused
    assert following.config == with_user(GOOD).model_copy(update={"generation": 2})
    misnamed = CONFIG.model_copy(update={"prompts": {"usr.j2": GOOD}})
    source.say(misnamed)
    await eventually(lambda: "system.j2, user.j2" in str(following.prompts_refused))
    source.say(with_user(GOOD + "!"))
    await eventually(lambda: following.prompts_refused is None)
    assert following.config == with_user(GOOD + "!")
    await following.stop()


async def test_a_gateway_that_starts_again_has_the_last_good_ones(tmp_path: Path) -> None:
    source = Told()
    first = Following(source, "bard-gateway", tmp_path, lambda _: None)
    first.start()
    source.say(with_user(GOOD))
    await eventually((tmp_path / CONFIG_KEY).exists)
    source.say(with_user("{% if %}").model_copy(update={"generation": 2}))
    await eventually(lambda: first.prompts_refused is not None)
    await eventually(lambda: '"generation":2' in (tmp_path / CONFIG_KEY).read_text())
    await first.stop()
    second = Following(Told(), "bard-gateway", tmp_path, lambda _: None)
    second.start()
    assert second.config is not None
    assert second.config.prompts == {"user.j2": GOOD}
    await second.stop()
