"""CORS by the configuration as it stands now; Starlette's own middleware does the work."""

from collections.abc import Callable

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

#: What a page may send beyond the simple headers, and what it may read of an answer.
_SENT = (
    "authorization",
    "x-api-key",
    "cache-control",
    "content-type",
    "fabula-tester",
    "idempotency-key",
    "if-none-match",
    "traceparent",
)
_READ = ("etag", "ratelimit", "ratelimit-policy", "retry-after", "traceparent", "www-authenticate")
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class Cors:
    """Lets the pages of some origins call, without cookies: a key goes in a header."""

    def __init__(self, app: ASGIApp, origins: Callable[[], tuple[str, ...]]) -> None:
        self._app = app
        self._origins = origins
        self._made: tuple[tuple[str, ...], ASGIApp] = (), app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        app = self._for(self._origins()) if scope["type"] == "http" else self._app
        await app(scope, receive, send)

    def _for(self, origins: tuple[str, ...]) -> ASGIApp:
        if origins != self._made[0]:
            cors = CORSMiddleware(
                self._app,
                allow_origins=origins,
                allow_methods=_METHODS,
                allow_headers=_SENT,
                expose_headers=_READ,
                max_age=600,
            )
            self._made = origins, cors if origins else self._app
        return self._made[1]
