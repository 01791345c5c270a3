"""The first question, and what is said of it."""

import json
from pathlib import Path

import pytest

from crds.routes import Route
from runtime.smoke.__main__ import QUESTION, ask, main
from tests.unit.runtime.stubs.engine import Stub, running


def route(url: str | None, **more: object) -> Route:
    known = {"engine": "llamacpp", "model": "bard", "weight": 1, "timeoutSeconds": 1}
    return Route.model_validate(
        {"member": "bard", "revision": "8f3c2a17", "url": url, **known, **more}
    )


async def test_every_way_is_asked_in_its_role() -> None:
    async with running(Stub()) as stub:
        assert await ask([route(stub.url, role="You sing."), route(stub.url)]) is None
    told = [[message["content"] for message in asked["messages"]] for asked in stub.asked]
    assert [user for _, user in told] == [QUESTION, QUESTION]
    assert told[0][0] == "You sing."


@pytest.mark.parametrize(("behaviour", "kind"), [("empty", "Empty"), ("hang", "Timeout")])
async def test_what_gives_no_answer_in_its_time_is_named(behaviour: str, kind: str) -> None:
    async with running(Stub()) as good, running(Stub(behaviour=behaviour)) as bad:  # type: ignore[arg-type]
        problem = await ask([route(good.url), route(bad.url, variant="small")])
    assert problem is not None
    assert problem.startswith(f"bard/small 8f3c2a17: {kind}")


async def test_one_answer_of_a_few_will_do() -> None:
    async with running(Stub(behaviour="empty")) as stub:

        async def mend() -> None:
            if len(stub.asked) == 3:
                stub.behaviour = "good"

        stub.pause = mend
        assert await ask([route(stub.url)], tries=2) is not None
        assert await ask([route(stub.url)], tries=2) is None
    assert len(stub.asked) == 3


def test_the_operator_is_told_in_the_termination_message(tmp_path: Path) -> None:
    said = tmp_path / "said"
    nowhere = route(None).model_dump_json(by_alias=True)
    assert main(["--report", str(said), nowhere]) == 1
    assert json.loads(said.read_text()) == {
        "message": "bard/full 8f3c2a17: NotReady: the route of member bard has no url"
    }
