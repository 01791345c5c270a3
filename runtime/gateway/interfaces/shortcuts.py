"""The requests that games send all the time, on a short way to the functions that answer them.

FastAPI's way to a route takes longer than many an answer. A request of the usual form goes straight
to the route's own function. Whatever is unusual or not valid takes the long way, where it is said
what is wrong with it, so that both ways give the same answers.
"""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runtime.gateway.guards import Guards
from runtime.web.problems import response_to

_JSON = b"application/json"


@dataclass(frozen=True, slots=True)
class Shortcut:
    """One POST route.

    Args:
        path: the whole of it; its groups are arguments of ``answer``.
        body: what a request holds.
        answer: the route's function. Gets ``request``, ``body``, ``visit`` and what is named here.
        headers: by the argument that it becomes, what a header must look like to be usual.
        told: the response to a failure. None: it is not one that was foreseen.
    """

    path: str
    body: type[BaseModel]
    answer: Callable[..., Awaitable[Response]]
    headers: Mapping[str, re.Pattern[str]] = field(default_factory=dict)
    told: Callable[[Request, Exception], Response | None] = response_to


class Shortcuts:
    """ASGI, around everything that is no short way. The guards are asked as on the long one; routes
    with a shortcut count for themselves."""

    def __init__(self, app: ASGIApp, guards: Callable[[], Guards], ways: list[Shortcut]) -> None:
        self._app = app
        self._guards = guards
        self._ways = [
            (re.compile(way.path), {_header(name): name for name in way.headers}, way)
            for way in ways
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        way, arguments = self._way(scope)
        if way is None:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            sent = await request.body()
            body = _valid(way.body, sent)
            if body is None:
                await self._app(scope, _again(sent, receive), send)
                return
            visit = request.state.visit = self._guards().visit(request.headers, "decide")
            response = await way.answer(request=request, body=body, visit=visit, **arguments)
        except ClientDisconnect:
            return  # in the middle of what it sent
        except Exception as error:
            failure = way.told(request, error)
            if failure is None:
                raise
            response = failure
        await response(scope, receive, send)

    def _way(self, scope: Scope) -> tuple[Shortcut | None, dict[str, Any]]:
        if scope["type"] == "http" and scope["method"] == "POST":
            for path, names, way in self._ways:
                match = path.fullmatch(scope["path"])
                if match is not None:
                    headers = _usual(scope, names, way.headers)
                    if headers is not None:
                        return way, {**match.groupdict(), **headers}
        return None, {}


def _header(argument: str) -> bytes:
    return argument.replace("_", "-").encode()


def _usual(
    scope: Scope, names: Mapping[bytes, str], wanted: Mapping[str, re.Pattern[str]]
) -> dict[str, str | None] | None:
    """The values of the headers that the route wants; None: something is unusual about them."""
    found: dict[str, str | None] = dict.fromkeys(wanted)
    is_json = False
    for header, value in scope["headers"]:
        if header == b"content-type":
            is_json = value.partition(b";")[0].strip().lower() == _JSON
        elif (name := names.get(header)) is not None:
            text = value.decode("latin-1")
            if found[name] is not None or wanted[name].fullmatch(text) is None:
                return None
            found[name] = text
    return found if is_json else None


def _valid(model: type[BaseModel], sent: bytes) -> BaseModel | None:
    try:
        return model.model_validate(json.loads(sent))
    except (ValidationError, ValueError, RecursionError):
        return None


def _again(sent: bytes, receive: Receive) -> Receive:
    """The body once more, then whatever comes after it."""
    pending: list[Message] = [{"type": "http.request", "body": sent, "more_body": False}]

    async def received() -> Message:
        return pending.pop() if pending else await receive()

    return received
