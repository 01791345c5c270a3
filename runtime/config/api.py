"""The HTTP API in our own words: the values of a session, what there is, and the probes."""

import asyncio
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from runtime.config import examples
from runtime.config.admitted import Admitted
from runtime.config.etags import as_json, etag, matches
from runtime.config.evaluation import Target
from runtime.config.models import ConfigView, IfNoneMatch, TunableList
from runtime.config.service import ConfigService
from runtime.web.probes import Words, probes

MAX_WAIT = 30


def games(service: ConfigService) -> APIRouter:
    """What games call."""
    router = APIRouter(prefix="/v1/config", tags=["config"])

    @router.get(
        "",
        summary="Read the values of a session",
        dependencies=[Depends(Admitted(service))],
        response_model=ConfigView,
        responses={
            304: {"description": "The client has the latest."},
            **examples.responses(examples.CONFIG, 401, 403, 422, 429, 503),
        },
    )
    async def read(
        session: Annotated[
            str | None,
            Query(
                max_length=256,
                description="The id of the session, as `POST /v1/sessions` of the gateway gave it: "
                "it says which experiments the session is in. With another, or none, the values "
                "are those of everybody who is in none.",
                examples=[examples.SESSION_ID],
            ),
        ] = None,
        wait: Annotated[
            int,
            Query(
                ge=0,
                le=MAX_WAIT,
                description="With If-None-Match: how many seconds to wait for something else than "
                "that before the answer is 304.",
            ),
        ] = 0,
        if_none_match: IfNoneMatch = None,
    ) -> Response:
        """The value of every tunable. Ask when a session begins; who wants changes while it lasts
        asks again with If-None-Match, and with `wait` hears of them at once."""
        loop = asyncio.get_running_loop()
        until = loop.time() + wait
        while True:
            body = _view(service, Target(session))
            tag = etag(body)
            left = until - loop.time()
            if not matches(if_none_match, tag):
                service.metrics.answers.labels("config").inc()
                return Response(body, media_type="application/json", headers={"etag": tag})
            if left <= 0 or service.draining:
                service.metrics.unchanged.labels("config").inc()
                return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={"etag": tag})
            await service.change(left)

    @router.get(
        "/tunables",
        summary="List the tunables",
        dependencies=[Depends(Admitted(service, "read"))],
        response_model=TunableList,
        responses=examples.responses(examples.TUNABLES, 401, 403, 429, 503),
    )
    async def listed() -> Response:
        """What there is to read, as the World's spec has it: types, bounds, choices, locks. It is
        for tools, so a key needs the scope `read`: players need not see it."""
        found = TunableList(tunables=list(service.catalogue.config.tunables))
        return Response(as_json(found.dump()), media_type="application/json")

    return router


def health(service: ConfigService) -> APIRouter:
    """What Kubernetes and Prometheus call."""
    words = Words(
        tag="service",
        live="Always `ok`.",
        ready="`ok` when it is configured and not being stopped.",
        metrics="Answers, refusals, and who waits.",
        metric="fabula_config_tunables 3.0",
    )
    return probes(lambda: service.unready, lambda: service.metrics.registry, words)


def _view(service: ConfigService, target: Target) -> bytes:
    catalogue = service.catalogue
    return as_json(
        {
            "world": catalogue.config.world,
            "digest": catalogue.config.digest,
            "values": {each.name: each.value for each in catalogue.evaluate_all(target)},
        }
    )
