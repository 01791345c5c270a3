"""The OpenFeature remote evaluation protocol (OFREP 0.2), for the SDKs that games have already: one
flag at a time, or all of them with an ETag."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import Response
from pydantic import ValidationError

from runtime.config import examples
from runtime.config.admitted import Admitted
from runtime.config.etags import as_json, etag, matches
from runtime.config.evaluation import Evaluation, Target, UnknownTunableError
from runtime.config.models import (
    Context,
    EvaluationFailure,
    EvaluationRequest,
    Flag,
    Flags,
    IfNoneMatch,
)
from runtime.config.service import ConfigService
from runtime.web.answers import answer
from runtime.web.problems import Failure

PREFIX = "/ofrep/"

_BODY = {
    "requestBody": {
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {"context": Context.model_json_schema()},
                },
                "example": examples.EVALUATION_REQUEST,
            }
        }
    }
}


class BadEvaluationError(Exception):
    """A request that cannot be evaluated."""

    def __init__(self, code: str, details: str) -> None:
        super().__init__(details)
        self.code = code


def flags(service: ConfigService) -> APIRouter:
    """What OpenFeature's providers call."""
    router = APIRouter(prefix="/ofrep/v1/evaluate", tags=["ofrep"])
    admitted = Depends(Admitted(service))

    @router.post(
        "/flags/{key}",
        summary="Evaluate one flag",
        dependencies=[admitted],
        response_model=Flag,
        responses=examples.evaluations(examples.FLAG, 400, 401, 403, 404, 413, 429, 503),
        openapi_extra=_BODY,
    )
    async def evaluate(
        request: Request,
        key: Annotated[str, Path(description="The tunable's name.", examples=["quest-gold"])],
    ) -> Response:
        """The value of one tunable, as server-side providers ask for it."""
        try:
            target = target_of(await request.body())
            found = service.catalogue.evaluate(key, target)
        except BadEvaluationError as error:
            return failure(HTTPStatus.BAD_REQUEST, error.code, str(error), key)
        except UnknownTunableError:
            details = (
                f"World {service.catalogue.config.world} has no tunable {key[:64]!r}; add it to "
                "spec.tunables, or correct the key"
            )
            return failure(HTTPStatus.NOT_FOUND, "FLAG_NOT_FOUND", details, key)
        service.metrics.answers.labels("flag").inc()
        return Response(as_json(_flag(found)), media_type="application/json")

    @router.post(
        "/flags",
        summary="Evaluate all flags",
        dependencies=[admitted],
        response_model=Flags,
        responses={
            304: {"description": "The client has the latest."},
            **examples.evaluations({"flags": [examples.FLAG]}, 400, 401, 403, 413, 429, 503),
        },
        openapi_extra=_BODY,
    )
    async def evaluate_all(request: Request, if_none_match: IfNoneMatch = None) -> Response:
        """Every tunable, as client-side providers ask for it when they poll."""
        try:
            target = target_of(await request.body())
        except BadEvaluationError as error:
            return failure(HTTPStatus.BAD_REQUEST, error.code, str(error))
        found = [_flag(each) for each in service.catalogue.evaluate_all(target)]
        body = as_json({"flags": found})
        tag = etag(body)
        if matches(if_none_match, tag):
            service.metrics.unchanged.labels("flags").inc()
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={"etag": tag})
        service.metrics.answers.labels("flags").inc()
        return Response(body, media_type="application/json", headers={"etag": tag})

    return router


def target_of(body: bytes) -> Target:
    """For whom a request asks.

    Raises:
        BadEvaluationError: it cannot be read.
    """
    try:
        return EvaluationRequest.model_validate_json(body or b"{}").target
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in ("body", *fault["loc"]))
        code = "INVALID_CONTEXT" if "context" in fault["loc"] else "PARSE_ERROR"
        details = f"{where}: {fault['msg']}; correct it and send it again"
        raise BadEvaluationError(code, details) from None


def failure(
    status: int,
    code: str,
    details: str,
    key: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A failed evaluation."""
    said = EvaluationFailure(key=key[:64] if key else None, error_code=code, error_details=details)
    return answer(said, status, headers=headers)


def as_form(request: Request, told: Failure) -> Response:
    """A failure in the form that the path's clients read."""
    if not request.url.path.startswith(PREFIX):
        return told.response()
    return failure(told.problem.status, "GENERAL", told.problem.detail, headers=told.headers)


def _flag(found: Evaluation) -> dict[str, Any]:
    return {
        "key": found.name,
        "value": found.value,
        "reason": found.reason,
        "variant": found.variant,
    }
