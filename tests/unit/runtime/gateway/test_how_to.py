"""What the how-to pages tell a game developer to write works as it stands."""

import asyncio
import re
from pathlib import Path
from typing import Any

from runtime.protocol.door import Door
from tests.unit.runtime.stubs.gateway import House
from tests.unit.runtime.stubs.loopback import on_loopback

PAGES = Path(__file__).parents[4] / "docs/how-to"
FENCE = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def run(page: str, addresses: dict[str, str], **known: Any) -> dict[str, Any]:
    """Run the Python of a page from top to bottom; what it left behind."""
    blocks = FENCE.findall((PAGES / page).read_text())
    assert blocks
    names = dict(known)
    for block in blocks:
        for told, real in addresses.items():
            block = block.replace(told, real)
        exec(compile(block, page, "exec"), names)
    return names


async def test_the_first_hour(home: House) -> None:
    for stub in home.stubs:
        stub.answer = "He asks for a song"
    async with on_loopback(home) as address:
        names = await asyncio.to_thread(run, "first-hour.md", {"http://localhost:8080": address})
        names["game"].close()
    assert names["decision"]["decision"] == "He asks for a song"
    assert names["event"] == "decision"
    assert len(home.gateway.decisions) == 3


async def test_openais_client(home: House) -> None:
    for stub in home.stubs:
        stub.answer = "open"
    async with on_loopback(home) as address:
        names = await asyncio.to_thread(
            run, "openai-clients.md", {"http://localhost:8080": address}
        )
        names["client"].close()
    assert names["answer"].choices[0].message.content == '{"gate": "open"}'
    assert len(home.gateway.decisions) == 3


async def test_grpc(home: House) -> None:
    for stub in home.stubs:
        stub.answer = "open"
    home.gateway.settings = home.gateway.settings.model_copy(
        update={"grpc_port": 0, "host": "127.0.0.1"}
    )
    door = Door(home.gateway)
    await door.open()
    try:
        names = await asyncio.to_thread(
            run,
            "grpc.md",
            {"localhost:9090": f"127.0.0.1:{door.port}"},
            session=await home.session(),
        )
    finally:
        await door.close()
    assert names["answer"].action.choice == "open"
