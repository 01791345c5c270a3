"""Decisions over gRPC: deadlines, cancellation, statuses that say what to do."""

import asyncio
from typing import Any

import grpc
import pytest

from runtime.protocol.model_ensemble_pb2 import Context, Parameters, PredictRequest
from tests.unit.runtime.gateway.test_callers import closed, keep
from tests.unit.runtime.protocol.conftest import Wire
from tests.unit.runtime.stubs.waiting import eventually

OPTIONS = ["open", "shut"]


def request(session: str, *, question: str = "The gate?", **more: Any) -> PredictRequest:
    """A question with options, unless told otherwise."""
    options = more.pop("options", OPTIONS)
    facts, task = more.pop("facts", None), more.pop("task", "")
    return PredictRequest(
        context=Context(session_id=session, facts=facts),
        parameters=Parameters(question=question, options=options, task=task),
        **more,
    )


def trailing(error: grpc.aio.AioRpcError) -> dict[str, str]:
    return {str(key): str(value) for key, value in error.trailing_metadata()}


async def test_a_vote_is_an_action(wire: Wire) -> None:
    for stub, answer in zip(wire.home.stubs, ["open", "shut", "shut"], strict=True):
        stub.answer = answer
    session = await wire.home.session()
    asked = request(
        session, request_id="turn-1", task="gate", facts={"hour": 18, "calm": [True, 0.5]}
    )
    answer = await wire.stub.Predict(asked)
    assert answer.WhichOneof("result") == "action"
    assert (answer.action.choice, answer.model_name) == ("shut", "bard")
    assert (answer.request_id, answer.final, answer.confidence) == ("turn-1", True, 0.6)
    assert answer.reasoning == (
        "decided by vote; for it: oracle (4), jester (2); against it: chronicler (4)"
    )
    record = (await wire.home.client.get(f"/v1/decisions/{answer.decision_id}")).json()
    assert (record["context"], record["task"]) == ({"hour": 18, "calm": [True, 0.5]}, "gate")
    again = await wire.stub.Predict(asked)
    assert again.decision_id == answer.decision_id


async def test_prose_is_a_narrative(wire: Wire) -> None:
    wire.home.stubs[0].answer = "A bell rings."
    session = await wire.home.session()
    answer = await wire.stub.Predict(request(session, options=[], model_name="bard"))
    assert answer.WhichOneof("result") == "narrative"
    assert answer.narrative.text == "A bell rings."


async def test_a_stream_tells_who_says_what_and_then_the_decision(wire: Wire) -> None:
    home = wire.home
    for stub in home.stubs:
        stub.answer = "open"
    home.stubs[0].behaviour = "slow"
    home.stubs[1].behaviour = "error"
    answers = aiter(wire.stub.StreamPredict(request(await home.session())))
    first = await anext(answers)
    assert (first.model_name, first.action.choice) == ("jester", "open")
    assert (first.confidence, first.final) == (0.2, False)
    home.stubs[0].release.set()
    rest = [answer async for answer in answers]
    assert [answer.model_name for answer in rest] == ["chronicler", "bard"]
    assert rest[-1].final
    assert "gave no answer: oracle (4)" in rest[-1].reasoning


async def test_a_deadline_is_the_patience_that_members_have(wire: Wire) -> None:
    home = wire.home
    for stub in home.stubs:
        stub.answer = "open"
    home.stubs[0].behaviour = home.stubs[1].behaviour = "slow"
    session = await home.session()
    for given in (
        {"timeout": 1.0},
        {"timeout": 30.0, "timeout_ms": 1000},
        {"timeout": 1.0, "timeout_ms": 30_000},
    ):
        milliseconds = int(given.pop("timeout_ms", 0))
        answer = await wire.stub.Predict(request(session, timeout_ms=milliseconds), **given)
        assert answer.action.choice == "open"
        assert "by the best member" in answer.reasoning
    await eventually(lambda: home.stubs[0].cancelled == 3)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_cancelled_call_closes_the_members_streams(wire: Wire, stream: bool) -> None:
    for stub in wire.home.stubs:
        stub.behaviour = "slow"
    method = wire.stub.StreamPredict if stream else wire.stub.Predict
    call = method(request(await wire.home.session()))
    waiting = asyncio.ensure_future(call.read() if stream else call)
    await eventually(lambda: all(stub.asked for stub in wire.home.stubs))
    call.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await eventually(lambda: all(stub.cancelled for stub in wire.home.stubs))
    assert len(wire.home.gateway.decisions) == 0


async def test_with_a_request_id_the_decision_goes_on(wire: Wire) -> None:
    for stub in wire.home.stubs:
        stub.behaviour, stub.answer = "slow", "open"
    session = await wire.home.session()
    call = wire.stub.Predict(request(session, request_id="turn-1"))
    waiting = asyncio.ensure_future(call)
    await eventually(lambda: all(stub.asked for stub in wire.home.stubs))
    call.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    for stub in wire.home.stubs:
        stub.release.set()
    answer = await wire.stub.Predict(request(session, request_id="turn-1"))
    assert answer.action.choice == "open"
    assert len(wire.home.gateway.decisions) == 1
    assert len(wire.home.stubs[0].asked) == 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("more", "code", "said", "field"),
    [
        ({"session": ""}, grpc.StatusCode.INVALID_ARGUMENT, "required", "context.session_id"),
        ({"session": "s-none"}, grpc.StatusCode.NOT_FOUND, "begin one", None),
        ({"model_name": "nobody"}, grpc.StatusCode.NOT_FOUND, "use one of bard", "model"),
        ({"request_id": "a b"}, grpc.StatusCode.INVALID_ARGUMENT, "visible", "request_id"),
        ({"question": " "}, grpc.StatusCode.INVALID_ARGUMENT, "at least 1",
         "parameters.question"),
        ({"options": ["one"]}, grpc.StatusCode.INVALID_ARGUMENT, "at least 2",
         "parameters.options"),
        ({"options": ["one", ""]}, grpc.StatusCode.INVALID_ARGUMENT, "at least 1",
         "parameters.options.1"),
        ({"facts": {"x": float("nan")}}, grpc.StatusCode.INVALID_ARGUMENT, "JSON",
         "context.facts"),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_named(
    wire: Wire, more: dict[str, Any], code: grpc.StatusCode, said: str, field: str, stream: bool
) -> None:
    fields = {"session": await wire.home.session(), **more}
    asked = request(**fields)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await (wire.stub.StreamPredict(asked).read() if stream else wire.stub.Predict(asked))
    assert refused.value.code() == code
    assert said in (refused.value.details() or "")
    assert trailing(refused.value).get("fabula-field") == field
    assert trailing(refused.value)["fabula-problem"]


async def test_a_key_for_another_question_aborts(wire: Wire) -> None:
    session = await wire.home.session()
    await wire.stub.Predict(request(session, request_id="turn-1"))
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await wire.stub.Predict(request(session, request_id="turn-1", question="Another?"))
    assert refused.value.code() == grpc.StatusCode.ABORTED
    assert trailing(refused.value)["fabula-problem"] == "idempotency-key-reused"


async def test_where_keys_are_asked_for_a_call_needs_one(wire: Wire) -> None:
    session = await wire.home.session()
    key = keep(wire.home, "game", "decide")["authorization"]
    reader = keep(wire.home, "reader", "read")
    await closed(wire.home)
    for stream in (False, True):
        asked = request(session)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await (wire.stub.StreamPredict(asked).read() if stream else wire.stub.Predict(asked))
        assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
    answer = await wire.stub.Predict(request(session), metadata=(("authorization", key),))
    url = f"/v1/decisions/{answer.decision_id}"
    record = (await wire.home.client.get(url, headers=reader)).json()
    assert record["actor"] == "game"


async def test_what_the_volume_refuses_may_be_tried_again(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(record: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(wire.home.gateway.decisions, "append", full)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await wire.stub.Predict(request(await wire.home.session()))
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
    assert int(trailing(refused.value)["grpc-retry-pushback-ms"]) > 0


async def test_what_nobody_foresaw_tells_nothing_of_itself(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(record: object) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(wire.home.gateway.decisions, "append", broken)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await wire.stub.Predict(request(await wire.home.session()))
    assert refused.value.code() == grpc.StatusCode.INTERNAL
    assert "secret" not in (refused.value.details() or "")


async def test_a_message_that_is_too_long_is_refused(wire: Wire) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await wire.stub.Predict(request(await wire.home.session(), facts={"x": "y" * 70_000}))
    assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
