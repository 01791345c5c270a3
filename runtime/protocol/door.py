"""The gRPC server of a gateway: its port, its bounds, health and reflection, and how it ends."""

import asyncio

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from runtime.gateway.gateway import Gateway
from runtime.protocol.model_ensemble_pb2 import DESCRIPTOR
from runtime.protocol.model_ensemble_pb2_grpc import add_ModelEnsembleServicer_to_server
from runtime.protocol.service import Service

log = structlog.get_logger(__name__)

SERVICE = DESCRIPTOR.services_by_name["ModelEnsemble"].full_name
#: How often health is brought up to what /readyz says.
_HEALTH_SECONDS = 0.5
#: Calls beside decisions: health, reflection.
_OTHER_CALLS = 32

_Status = health_pb2.HealthCheckResponse.ServingStatus


class Door:
    """Serves gRPC from ``open`` to ``close``.

    Args:
        gateway: an open gateway.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        settings = gateway.settings
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", settings.max_request_bytes),
                ("grpc.max_metadata_size", 16 * 1024),
                ("grpc.so_reuseport", 0),
            ],
            maximum_concurrent_rpcs=settings.max_decisions + settings.max_waiting + _OTHER_CALLS,
        )
        self._health = health.aio.HealthServicer()
        add_ModelEnsembleServicer_to_server(Service(gateway), self._server)  # type: ignore[no-untyped-call]
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection(
            (SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server
        )
        self._watch: asyncio.Task[None] | None = None
        #: Where it listens, once it is open.
        self.port = 0

    async def open(self) -> None:
        """Listen.

        Raises:
            RuntimeError: the port is taken.
        """
        settings = self._gateway.settings
        await self._tell_health()
        self.port = self._server.add_insecure_port(f"{settings.host}:{settings.grpc_port}")
        await self._server.start()
        self._watch = asyncio.create_task(self._keep_health())
        log.info("grpc_listens", port=self.port)

    async def close(self) -> None:
        """Take no more calls, and let those under way finish for as long as the drain lasts. May be
        called again: the time runs from the first call on."""
        await self._server.stop(self._gateway.settings.drain_seconds)
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)

    async def _keep_health(self) -> None:
        while True:
            await asyncio.sleep(_HEALTH_SECONDS)
            await self._tell_health()

    async def _tell_health(self) -> None:
        ready = self._gateway.unready is None
        status = _Status.SERVING if ready else _Status.NOT_SERVING
        for service in ("", SERVICE):
            await self._health.set(service, status)
