"""OpenAI's routes: /v1/models and /v1/chat/completions."""

import secrets
from collections.abc import AsyncGenerator, Callable, Coroutine
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Depends, Path, Request
from fastapi.responses import Response

from runtime.engines import Chunk
from runtime.gateway.gateway import Gateway
from runtime.gateway.interfaces.chat import examples
from runtime.gateway.interfaces.chat.completer import Model, complete, model_of, models
from runtime.gateway.interfaces.chat.completion import ChatCompletion, Chunks, Completed
from runtime.gateway.interfaces.chat.errors import ChatRoute, body_of, response_to
from runtime.gateway.interfaces.chat.request import ChatRequest, Wire
from runtime.gateway.interfaces.events import (
    KEEP_ALIVE_SECONDS,
    MEDIA_TYPE,
    EventStream,
    nobody,
    unless_gone,
)
from runtime.gateway.interfaces.guarded import Guarded
from runtime.gateway.interfaces.live import Live
from runtime.gateway.interfaces.shortcuts import Shortcut
from runtime.limits.visits import Visit
from runtime.web.problems import told

#: The response header with the id of the decision.
DECISION_HEADER = "x-fabula-decision"


class ModelView(Wire):
    """Who can be asked."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str


class ModelList(Wire):
    """All who can be asked, the storyteller last."""

    object: Literal["list"] = "list"
    data: list[ModelView]


def chat(gateway: Gateway, shortcuts: list[Shortcut]) -> APIRouter:
    """What clients of OpenAI's API call, and the short way to completions."""
    router = APIRouter(prefix="/v1", tags=["openai"], route_class=ChatRoute)
    guarded = Depends(Guarded(gateway, "decide"))

    @router.get(
        "/models",
        summary="List models",
        dependencies=[guarded],
        response_model=ModelList,
        responses=examples.responses(examples.MODELS),
    )
    async def listed() -> Response:
        """The storyteller and each of its members."""
        found = [_view(model) for model in models(gateway).values()]
        return _json(ModelList(data=found))

    @router.get(
        "/models/{model}",
        summary="Look at a model",
        dependencies=[guarded],
        response_model=ModelView,
        responses=examples.responses(examples.MODEL),
    )
    async def look(
        model: Annotated[
            str, Path(max_length=64, description="Its name.", examples=[examples.MODEL["id"]])
        ],
    ) -> Response:
        """The storyteller or a member by its name."""
        return _json(_view(model_of(gateway, model)))

    @router.post(
        "/chat/completions",
        summary="Complete a conversation",
        response_model=ChatCompletion,
        responses=examples.responses(examples.COMPLETION, events=examples.CHUNKS),
    )
    async def completions(
        request: Request,
        body: Annotated[ChatRequest, Body(openapi_examples=examples.REQUESTS)],
        visit: Annotated[Visit, Depends(Guarded(gateway, "decide", counted=False))],
    ) -> Response:
        """With the storyteller's name the ensemble decides, with persona and lore before your
        messages. With a member's name that member alone answers, and is told your messages as they
        stand. Each completion is in the decision log before it ends: its id is the decision's, or
        in a member's stream stands as `fabula.decision` in the chunk with the `finish_reason`."""
        tester = visit.tester(request.headers.get("fabula-tester"))
        work = partial(complete, gateway, body, request.state.trace, visit, tester=tester)
        if body.stream and model_of(gateway, body.model).seat is not None:
            return await _streamed(request, body, work)
        live: Live[Chunk, Completed] = Live(lambda _: work())
        if not await unless_gone(request, live):
            return nobody()
        return _whole(body, await live.task)

    shortcuts.append(Shortcut("/v1/chat/completions", ChatRequest, completions, told=response_to))
    return router


async def _streamed(
    request: Request,
    body: ChatRequest,
    work: Callable[[Callable[[Chunk], None]], Coroutine[Any, Any, Completed]],
) -> Response:
    live: Live[Chunk, Completed] = Live(work)
    if not await unless_gone(request, live, KEEP_ALIVE_SECONDS):
        return nobody()
    if live.failed:
        await live.task
    chunks = Chunks(f"chatcmpl-{secrets.token_hex(12)}", body.model, body.wants_usage)
    return EventStream(live, _events(live, chunks))


async def _events(live: Live[Chunk, Completed], chunks: Chunks) -> AsyncGenerator[bytes, None]:
    async for pieces in live.follow(KEEP_ALIVE_SECONDS):
        yield chunks.text("".join(piece.text for piece in pieces)) if pieces else b""
    try:
        completed = await live.task
    except Exception as error:
        yield chunks.error(body_of(told(error)))
    else:
        yield chunks.end(completed)


def _whole(body: ChatRequest, completed: Completed) -> Response:
    headers = {DECISION_HEADER: completed.record.id}
    if not body.stream:
        return _json(completed.whole(body.model), headers)
    chunks = Chunks(completed.record.id, body.model, body.wants_usage)
    events = chunks.text(completed.content) + chunks.end(completed)
    return Response(events, media_type=MEDIA_TYPE, headers=headers)


def _json(body: Wire, headers: dict[str, str] | None = None) -> Response:
    return Response(body.model_dump_json(), media_type="application/json", headers=headers)


def _view(model: Model) -> ModelView:
    return ModelView(id=model.name, owned_by=model.owner)
