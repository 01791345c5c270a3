"""A gateway with a gRPC door, and a channel to it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from runtime.protocol.door import Door
from runtime.protocol.model_ensemble_pb2_grpc import ModelEnsembleStub
from tests.unit.runtime.stubs.engine import Stub
from tests.unit.runtime.stubs.gateway import House, house


@dataclass
class Wire:
    """The door and who stands before it."""

    home: House
    door: Door
    channel: grpc.aio.Channel
    stub: ModelEnsembleStub

    @property
    def address(self) -> str:
        """All that a client has to know."""
        return f"127.0.0.1:{self.door.port}"


@pytest.fixture
async def wire(tmp_path: Path) -> AsyncIterator[Wire]:
    """Three engines behind one gateway, over gRPC."""
    stubs = Stub(), Stub(), Stub()
    async with house(tmp_path, *stubs, host="127.0.0.1", grpc_port=0, drain_seconds=5) as home:
        door = Door(home.gateway)
        await door.open()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{door.port}") as channel:
                stub = ModelEnsembleStub(channel)  # type: ignore[no-untyped-call]
                yield Wire(home, door, channel, stub)
        finally:
            await door.close()
