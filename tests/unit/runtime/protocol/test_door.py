"""What a client finds that knows nothing but an address: reflection and health, until the end."""

import asyncio
from typing import Any

import grpc
import pytest
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from runtime.protocol import __main__ as stubs
from runtime.protocol.model_ensemble_pb2 import Context, Parameters, PredictRequest
from tests.unit.runtime.protocol.conftest import Wire
from tests.unit.runtime.stubs.waiting import eventually

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def call_by_reflection(address: str, method: str, body: dict[str, Any]) -> dict[str, Any]:
    """As grpcurl does: learn the service from the server, then call it with JSON."""
    with grpc.insecure_channel(address) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        (name,) = [each for each in database.get_services() if not each.startswith("grpc.")]
        service = DescriptorPool(database).FindServiceByName(name)
        found = service.methods_by_name[method]
        request = json_format.ParseDict(body, message_factory.GetMessageClass(found.input_type)())
        call = channel.unary_unary(
            f"/{name}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=message_factory.GetMessageClass(found.output_type).FromString,
        )
        answer: dict[str, Any] = json_format.MessageToDict(call(request, timeout=10))
        return answer


async def test_a_client_that_knows_only_the_address_can_ask(wire: Wire) -> None:
    for stub in wire.home.stubs:
        stub.answer = "open"
    body = {
        "context": {"sessionId": await wire.home.session(), "facts": {"weather": "ash"}},
        "parameters": {"question": "The gate?", "options": ["open", "shut"]},
    }
    answer = await asyncio.to_thread(call_by_reflection, wire.address, "Predict", body)
    assert answer["action"] == {"choice": "open"}
    assert answer["final"] is True


async def test_health_follows_readiness(wire: Wire) -> None:
    health = health_pb2_grpc.HealthStub(wire.channel)
    for service in ("", "fabula.v1.ModelEnsemble"):
        answer = await health.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == SERVING
    watching = health.Watch(health_pb2.HealthCheckRequest())
    assert (await watching.read()).status == SERVING
    wire.home.gateway.draining = True
    assert (await watching.read()).status == NOT_SERVING
    watching.cancel()


async def test_what_has_begun_is_finished_before_the_door_closes(wire: Wire) -> None:
    for stub in wire.home.stubs:
        stub.behaviour, stub.answer = "slow", "open"
    request = PredictRequest(
        context=Context(session_id=await wire.home.session()),
        parameters=Parameters(question="The gate?", options=["open", "shut"]),
    )
    asking = asyncio.ensure_future(wire.stub.Predict(request))
    await eventually(lambda: all(stub.asked for stub in wire.home.stubs))
    closing = asyncio.create_task(wire.door.close())
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        async with grpc.aio.insecure_channel(wire.address) as late:
            await health_pb2_grpc.HealthStub(late).Check(health_pb2.HealthCheckRequest(), timeout=2)
    # Refused, or cut off when it came just before.
    assert refused.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
    for stub in wire.home.stubs:
        stub.release.set()
    assert (await asking).action.choice == "open"
    await closing


def test_the_committed_stubs_are_those_of_the_proto() -> None:
    made = stubs.outputs()
    assert len(made) == 3
    assert all(path.read_text() == text for path, text in made.items())
