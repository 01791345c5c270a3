"""The operator's own HTTP: /livez, /healthz, /readyz and /metrics."""

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

#: A sentence about what is wrong, or None where nothing is.
Check = Callable[[], str | None]


def application(
    registry: CollectorRegistry, health: dict[str, Check], readiness: dict[str, Check]
) -> web.Application:
    """The endpoints.

    Args:
        registry: what /metrics shows.
        health: checks of /healthz by name: whether this process does its work.
        readiness: checks of /readyz by name: whether it sees the cluster.
    """

    async def alive(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    def checked(checks: dict[str, Check]) -> Callable[[web.Request], object]:
        async def answer(_: web.Request) -> web.Response:
            found = {name: check() for name, check in checks.items()}
            failing = any(fault is not None for fault in found.values())
            body = {name: fault or "ok" for name, fault in found.items()}
            return web.json_response(body, status=503 if failing else 200)

        return answer

    app = web.Application()
    app.router.add_get("/livez", alive)
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/healthz", checked(health))  # type: ignore[arg-type]
    app.router.add_get("/readyz", checked(readiness))  # type: ignore[arg-type]
    return app


async def serve(app: web.Application, port: int) -> tuple[web.AppRunner, int]:
    """Listen on all addresses. Returns what to clean up, and the port (which 0 leaves to the
    system)."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2)
    await runner.setup()
    site = web.TCPSite(runner, port=port)
    await site.start()
    # Without a port asked for, IPv6 gets another one than IPv4, whose addresses have two parts.
    ports = {len(address): int(address[1]) for address in runner.addresses}
    return runner, ports[min(ports)]
