"""What the routes of our own API share: how a decision is named, and how a model is sent."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Path
from fastapi.responses import Response
from pydantic import BaseModel

from runtime.gateway.interfaces import examples

DecisionId = Annotated[
    str, Path(max_length=64, description="Id of a decision.", examples=[examples.DECISION_ID])
]


def answer(body: BaseModel, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """Serialised once, by the model itself."""
    return Response(
        body.model_dump_json(by_alias=True, exclude_none=True),
        status_code=status,
        media_type="application/json",
    )
