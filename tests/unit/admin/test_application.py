from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from sidecar.admin import Check, Readiness, admin_application
from sidecar.app.metrics import Metrics


class Upstream:
    reason = ""

    async def probe(self) -> str:
        return self.reason


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def client(upstream: Upstream) -> AsyncIterator[Client]:
    readiness = Readiness({"registry": Check(upstream.probe)}, is_draining=lambda: False)
    application = admin_application(readiness=readiness, exposition=Metrics().exposition)
    async with TestClient(TestServer(application)) as client:
        yield client


async def test_alive_whatever_the_upstream_does(client: Client, upstream: Upstream) -> None:
    upstream.reason = "refused"
    async with client.get("/healthz") as response:
        assert (response.status, await response.json()) == (200, {"status": "alive"})


async def test_ready(client: Client) -> None:
    async with client.get("/readyz") as response:
        assert response.status == 200
        assert (await response.json())["status"] == "ready"


async def test_not_ready(client: Client, upstream: Upstream) -> None:
    upstream.reason = "refused"
    async with client.get("/readyz") as response:
        assert response.status == 503
        assert await response.json() == {
            "status": "unavailable",
            "checks": {"registry": "refused", "draining": False},
        }


async def test_metrics(client: Client) -> None:
    async with client.get("/metrics") as response:
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/plain; version=")
        assert "# TYPE sidecar_attempts_total counter" in await response.text()


@pytest.mark.parametrize("path", ["/", "/v2/", "/api/v2.0/projects"])
async def test_nothing_else_is_there(client: Client, path: str) -> None:
    async with client.get(path) as response:
        assert response.status == 404
