"""Who may read the tunables, as FastAPI sees it: what a route depends on."""

from fastapi import Request

from runtime.config.service import ConfigService
from runtime.limits.visits import Visit
from runtime.web.credentials import Bearer, Header


class Admitted:
    """A dependency: lets a caller through who may read, and counts the call."""

    def __init__(self, service: ConfigService) -> None:
        self._service = service

    async def __call__(self, request: Request, bearer: Bearer, header: Header) -> Visit:
        """The visit of this request. See ConfigService for what it raises."""
        visit = self._service.visit(request.headers)
        request.state.visit = visit
        await self._service.count(visit)
        return visit
