"""The routes of the admin listener."""

from collections.abc import Callable

from aiohttp import web

from sidecar.admin.health import Readiness


def admin_application(
    *, readiness: Readiness, exposition: Callable[[], tuple[bytes, str]]
) -> web.Application:
    """`exposition` answers a scrape: the text and its Content-Type."""
    application = web.Application()

    async def healthz(_request: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def readyz(_request: web.Request) -> web.Response:
        report = await readiness.report()
        return web.json_response(report.body, status=report.status)

    async def metrics(_request: web.Request) -> web.Response:
        body, content_type = exposition()
        return web.Response(body=body, headers={"Content-Type": content_type})

    application.add_routes(
        [web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)]
    )
    return application
