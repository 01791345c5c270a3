"""What Kubernetes and Prometheus call, of every server of ours."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest


@dataclass(frozen=True, slots=True)
class Words:
    """What the API's description says of the probes of one server."""

    tag: str
    live: str
    ready: str
    metrics: str
    #: A line of its metrics.
    metric: str


def probes(
    unready: Callable[[], str | None], collect: Callable[[], CollectorRegistry], words: Words
) -> APIRouter:
    """The probes of a server.

    Args:
        unready: why clients should not come now; None: they should.
        collect: its metrics, brought up to date.
        words: what is said of them.
    """
    router = APIRouter(tags=[words.tag])
    ok: dict[int | str, Any] = {200: {"content": {"text/plain": {"example": "ok"}}}}

    @router.get(
        "/livez",
        summary="Is the process alive",
        description=words.live,
        response_class=PlainTextResponse,
        responses=ok,
    )
    async def livez() -> PlainTextResponse:
        return PlainTextResponse("ok")

    @router.get(
        "/readyz",
        summary="Should clients come here",
        description=words.ready,
        response_class=PlainTextResponse,
        responses={
            **ok,
            503: {
                "description": "Not now; the text says why.",
                "content": {"text/plain": {"example": "waiting for the operator's configuration"}},
            },
        },
    )
    async def readyz() -> PlainTextResponse:
        reason = unready()
        if reason is not None:
            return PlainTextResponse(reason, HTTPStatus.SERVICE_UNAVAILABLE)
        return PlainTextResponse("ok")

    @router.get(
        "/metrics",
        summary="Prometheus metrics",
        description=words.metrics,
        response_class=PlainTextResponse,
        responses={200: {"content": {"text/plain": {"example": words.metric}}}},
    )
    async def metrics() -> Response:
        return Response(generate_latest(collect()), headers={"content-type": CONTENT_TYPE_LATEST})

    return router
