"""FastAPI as all our servers use it, and how their OpenAPI documents tell of problems."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, FastAPI
from pydantic.json_schema import models_json_schema
from starlette.types import Lifespan

from runtime.web.problems import MEDIA_TYPE, Problem

#: By status: the name of a problem, its title, and a detail.
Words = Mapping[int, tuple[str, str, str]]


class Application(FastAPI):
    """FastAPI, with our problems in the document.

    Args:
        title: of the document.
        about: what it says first.
        lifespan: opens and closes what answers.
    """

    def __init__(self, title: str, about: str, lifespan: Lifespan[FastAPI]) -> None:
        super().__init__(
            title=title,
            version="v1",
            description=about,
            lifespan=lifespan,
            docs_url=None,  # its page would load scripts from elsewhere
            redoc_url=None,
        )

    def take(self, *rooms: APIRouter) -> None:
        """Serve routes as they are: include_router would build each again when it is first asked
        for."""
        for room in rooms:
            self.router.routes += room.routes

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        if self.openapi_schema is None:
            document = super().openapi()
            _, problem = models_json_schema(
                [(Problem, "serialization")], ref_template="#/components/schemas/{model}"
            )
            document["components"]["schemas"].update(problem["$defs"])
        assert self.openapi_schema is not None  # noqa: S101  (super().openapi() set it)
        return self.openapi_schema


def described(words: Words, *codes: int) -> dict[int | str, Any]:
    """Problems as a route declares them, each with an example."""
    return {code: _described(code, *words[code]) for code in codes}


def _described(code: int, name: str, title: str, detail: str) -> dict[str, Any]:
    example = {
        "type": f"urn:fabula:problem:{name}",
        "title": title,
        "status": code,
        "detail": detail,
    }
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": title, "content": {MEDIA_TYPE: {"schema": schema, "example": example}}}
