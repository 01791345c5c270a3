"""The guards as FastAPI sees them: what a route depends on."""

from fastapi import Request

from runtime.gateway.gateway import Gateway
from runtime.gateway.peers import HEADER as PEER
from runtime.limits.keys import Scope, presented
from runtime.limits.visits import Visit
from runtime.web.credentials import Bearer, Header


class Guarded:
    """A dependency: lets a caller through who may do this, and counts the call.

    Args:
        gateway: whose guards.
        scope: what the caller's key must be for.
        counted: false where the call is counted later, when its player is known.
        peers: a scope that is as good where a replica asks this in a caller's name, and proves that
            it is one. The replica that was called has counted it, and what they ask concerns their
            own logs alone. None: replicas do not ask this of each other.
    """

    def __init__(
        self, gateway: Gateway, scope: Scope, *, counted: bool = True, peers: Scope | None = None
    ) -> None:
        self._gateway = gateway
        self._scope = scope
        self._counted = counted
        self._peers = peers

    async def __call__(
        self,
        request: Request,
        bearer: Bearer,
        header: Header,
    ) -> Visit:
        """The visit of this request. See Guards for what it raises."""
        by_peer = self._peers is not None and await self._proven(request)
        instead = self._peers if by_peer else None
        visit = self._gateway.guards.visit(request.headers, self._scope, instead=instead)
        request.state.visit = visit
        if self._counted and not by_peer:
            await self._gateway.guards.count(visit)
        return visit

    async def _proven(self, request: Request) -> bool:
        proof, credential = request.headers.get(PEER), presented(request.headers)
        path = request.scope["path"]
        return proof is not None and await self._gateway.proofs.holds(
            proof, request.method, path, credential
        )
