"""Who may read the tunables, as FastAPI sees it: what a route depends on."""

from fastapi import Request

from runtime.config.service import ConfigService
from runtime.limits.keys import Scope
from runtime.limits.visits import Visit
from runtime.web.credentials import Bearer, Header


class Admitted:
    """A dependency: lets a caller through who may do this, and counts the call."""

    def __init__(self, service: ConfigService, scope: Scope = "config") -> None:
        self._service = service
        self._scope: Scope = scope

    async def __call__(self, request: Request, bearer: Bearer, header: Header) -> Visit:
        """The visit of this request. See ConfigService for what it raises."""
        visit = self._service.visit(request.headers, self._scope)
        request.state.visit = visit
        await self._service.count(visit)
        return visit
