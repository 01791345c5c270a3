"""The service itself: the gateway's decisions over gRPC. Who cancels a call, or lets its
deadline pass, stops its members, unless it has a ``request_id``, under which it goes on."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any, TypeAlias

import grpc

from runtime.audit import Candidate, Record
from runtime.gateway.gateway import Gateway
from runtime.gateway.interfaces.live import Live
from runtime.gateway.interfaces.problems import UnknownModelError
from runtime.gateway.story.inquiry import Inquiry
from runtime.gateway.story.poll import Watch, unwatched
from runtime.protocol.answers import decided, heard
from runtime.protocol.model_ensemble_pb2 import PredictRequest, PredictResponse
from runtime.protocol.model_ensemble_pb2_grpc import ModelEnsembleServicer
from runtime.protocol.questions import Asked, asked
from runtime.protocol.refusal import refuse
from runtime.tracing import trace_of

#: How often a stream that has nothing to tell looks whether it is over.
_LOOK_SECONDS = 10.0

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class Service(ModelEnsembleServicer):
    """``fabula.v1.ModelEnsemble``."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def Predict(self, request: PredictRequest, context: Context) -> PredictResponse:
        """One decision."""
        try:
            record = await self._decide(request, self._asked(request, context), context)
        except Exception as error:
            await refuse(context, error)
        return decided(request.request_id, record)

    async def StreamPredict(
        self, request: PredictRequest, context: Context
    ) -> AsyncGenerator[PredictResponse, None]:
        """A response for each member that answers, then the decision."""
        try:
            question = self._asked(request, context)
        except Exception as error:
            await refuse(context, error)
        live: Live[Candidate, Record] = Live(
            lambda watch: self._decide(request, question, context, watch)
        )
        whole = sum(seat.route.weight for seat in self._gateway.voices.seats)
        prose = question.question.options is None
        try:
            async for candidates in live.follow(_LOOK_SECONDS):
                for candidate in candidates:
                    if candidate.answer is not None:
                        yield heard(request.request_id, candidate, prose=prose, whole=whole)
            record = await live.task
        except Exception as error:
            await refuse(context, error)
        finally:
            await live.stop()
        yield decided(request.request_id, record)

    def _asked(self, request: PredictRequest, context: Context) -> Asked:
        question = asked(request, context.time_remaining())
        config = self._gateway.following.config
        if config is not None and request.model_name not in ("", config.storyteller):
            raise UnknownModelError(request.model_name, [config.storyteller])
        return question

    async def _decide(
        self,
        request: PredictRequest,
        question: Asked,
        context: Context,
        watch: Watch = unwatched,
    ) -> Record:
        metadata = _metadata(context)
        visit = self._gateway.guards.visit(metadata, "decide")
        async with asyncio.timeout(question.seconds):
            return await self._gateway.teller.decide(
                Inquiry(
                    question.session,
                    question.question,
                    trace_of(metadata.get("traceparent")),
                    visit,
                    question.key,
                    watch,
                    question.patience,
                )
            )


def _metadata(context: Context) -> Mapping[str, str]:
    """What the caller sent beside the request. Keys are lowercase; binary values are left out."""
    pairs = context.invocation_metadata() or ()
    return {key: value for key, value in pairs if isinstance(value, str)}
