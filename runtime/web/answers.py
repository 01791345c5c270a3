"""How a model is sent."""

from collections.abc import Mapping

from fastapi.responses import Response
from pydantic import BaseModel


def answer(
    body: BaseModel,
    status: int = 200,
    media_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Serialised once, by the model itself."""
    return Response(
        body.model_dump_json(by_alias=True, exclude_none=True),
        status_code=status,
        media_type=media_type,
        headers=dict(headers or {}),
    )
