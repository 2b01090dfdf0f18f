"""Charts go by as they come; what an upload holds is noted before its last bytes let it be kept."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from sidecar.model.admission import AdmissionRequest
from sidecar.model.event import Chart
from sidecar.model.exchange import Outcome
from sidecar.model.names import Digest
from sidecar.model.operation import DeleteChart, DownloadChart, Routes, UploadChart
from tests.support import images
from tests.support.process import NotInstalledError
from tests.support.raw_upstream import RawConnection, RawUpstream
from tests.support.servers import ChartMuseum, Credentials
from tests.wire.conftest import Noted, Running, StartProxy

CHART = images.build_chart("mychart", "1.2.3", size=200_000)
DIGEST = Digest("sha256:" + hashlib.sha256(CHART.content).hexdigest())
NAMED = Chart(
    name="mychart",
    version="1.2.3",
    type="application",
    size_bytes=len(CHART.content),
)
ALICE = Credentials("alice", "secret")
ROUTES = Routes(chart_depth=1)


@pytest.fixture(scope="module")
def museum(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChartMuseum]:
    try:
        server = ChartMuseum(tmp_path_factory.mktemp("charts"), user=ALICE, max_upload_size=1_000_000)
    except NotInstalledError as missing:
        pytest.skip(str(missing))
    with server:
        yield server


@pytest.fixture
async def proxy(start_proxy: StartProxy, museum: ChartMuseum) -> Running:
    return await start_proxy("http://127.0.0.1:1", chart_repository_url=museum.url, routes=ROUTES)


def client_of(proxy: Running) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=proxy.url, auth=ALICE.pair, trust_env=False)


async def chunks(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 10_000):
        yield content[start : start + 10_000]


@pytest.mark.parametrize("how", ["raw", "raw chunked", "form"])
async def test_upload_is_noted_and_recorded_with_its_chart(proxy: Running, noted: Noted, how: str) -> None:
    async with client_of(proxy) as client:
        url = "/api/prj/charts?force"
        if how == "form":
            answer = await client.post(url, files={"chart": ("x.tgz", CHART.content)})
        else:
            content = chunks(CHART.content) if how == "raw chunked" else CHART.content
            answer = await client.post(url, content=content)
    assert (answer.status_code, answer.json()) == (201, {"saved": True})
    first, second = noted.intents
    (exchange,) = noted.exchanges
    assert exchange.operation == first.operation == UploadChart("prj")
    assert first.id == second.id == exchange.id
    assert first.chart_sizes == {}
    assert len(CHART.content) == second.chart_sizes[DIGEST]
    assert (exchange.chart, exchange.client.operator, exchange.status) == (NAMED, "alice", 201)


async def test_download_is_recorded_with_its_chart(proxy: Running, noted: Noted) -> None:
    async with client_of(proxy) as client:
        await client.post("/api/prj/charts?force", content=CHART.content)
        answer = await client.get("/prj/charts/mychart-1.2.3.tgz")
        assert answer.content == CHART.content
        await noted.recorded(2)
    exchange = noted.exchanges[-1]
    assert exchange.operation == DownloadChart("prj", "mychart-1.2.3.tgz")
    assert (exchange.chart, exchange.outcome) == (NAMED, Outcome.COMPLETED)


async def test_delete_is_recorded_with_the_chart_that_went(proxy: Running, noted: Noted) -> None:
    async with client_of(proxy) as client:
        await client.post("/api/prj/charts?force", content=CHART.content)
        answer = await client.delete("/api/prj/charts/mychart/1.2.3")
        assert (answer.status_code, answer.json()) == (200, {"deleted": True})
        again = await client.delete("/api/prj/charts/mychart/1.2.3")
        assert again.status_code == 404
    gone, missing = noted.exchanges[1:]
    assert gone.operation == DeleteChart("prj", "mychart", "1.2.3")
    assert (gone.facts.existed, gone.facts.chart) == (True, NAMED)
    assert (missing.facts.existed, missing.facts.chart, missing.status) == (False, None, 404)


@pytest.mark.parametrize(("file_status", "existed"), [(200, True), (404, False), (500, None)])
async def test_a_chart_that_is_not_listed_yet_existed_if_its_file_did(
    start_proxy: StartProxy, noted: Noted, file_status: int, *, existed: bool | None
) -> None:
    """Seen on a busy ChartMuseum: it denies what was uploaded milliseconds before, and deletes it."""
    statuses = {b"GET /api": 404, b"GET /prj": file_status, b"DELETE /": 200}

    async def script(connection: RawConnection) -> None:
        while True:
            head = await connection.read_head()
            (status,) = (found for start, found in statuses.items() if head.startswith(start))
            await connection.send(b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\n{}" % status)

    async with RawUpstream(script) as upstream:
        proxy = await start_proxy(upstream.url, chart_repository_url=upstream.url, routes=ROUTES)
        await proxy.ask(
            b"DELETE /api/prj/charts/mychart/1.2.3 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
        )
        (exchange,) = await noted.recorded()
    assert (exchange.facts.existed, exchange.facts.chart) == (existed, None)
    assert "GET /prj/charts/mychart-1.2.3.tgz HTTP/1.1" in upstream.heads


async def test_upload_that_is_too_large_is_refused_by_the_museum(proxy: Running, noted: Noted) -> None:
    content = images.build_chart("large", size=4_000_000).content
    async with client_of(proxy) as client:
        answer = await client.post("/api/prj/charts", content=content)
    assert answer.status_code == 413
    assert b"request too large" in answer.content
    (exchange,) = noted.exchanges
    assert exchange.status == 413
    assert exchange.refusal is not None
    assert exchange.refusal.content == answer.content


async def test_upload_without_a_chart_is_recorded_without_one(proxy: Running, noted: Noted) -> None:
    async with client_of(proxy) as client:
        assert (await client.post("/api/prj/charts", content=b"no chart at all")).status_code == 400
        assert (await client.post("/api/prj/charts")).status_code in {400, 500}
    assert [exchange.chart for exchange in noted.exchanges] == [None, None]


async def test_last_piece_waits_until_the_chart_is_noted(start_proxy: StartProxy, noted: Noted) -> None:
    may_note = asyncio.Event()

    async def on_admit(request: AdmissionRequest) -> None:
        if request.chart_sizes:
            await may_note.wait()

    async def script(connection: RawConnection) -> None:
        await connection.read_head()
        await connection.read(len(CHART.content))
        await connection.send(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")

    noted.on_admit = on_admit
    async with RawUpstream(script) as upstream:
        proxy = await start_proxy(upstream.url, chart_repository_url=upstream.url)
        client = await proxy.connect()
        head = b"POST /api/charts HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(CHART.content)
        await client.send(head + CHART.content)
        await asyncio.sleep(0.2)
        received = len(upstream.received.partition(b"\r\n\r\n")[2])
        assert received < len(CHART.content)
        may_note.set()
        assert (await client.read_head()).startswith(b"HTTP/1.1 201 ")
        assert upstream.received.endswith(CHART.content)


async def test_download_of_a_compressed_answer_has_no_chart(start_proxy: StartProxy, noted: Noted) -> None:
    async def script(connection: RawConnection) -> None:
        await connection.read_head()
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 2\r\n\r\nxx")

    async with RawUpstream(script) as upstream:
        proxy = await start_proxy(upstream.url, chart_repository_url=upstream.url)
        await proxy.ask(b"GET /charts/a-1.tgz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        (exchange,) = await noted.recorded()
    assert exchange.chart is None
