"""Charts that were once misnamed or missed, one by one, with the real ChartMuseum behind the proxy."""

import asyncio
import binascii
import gzip
import tarfile
import time
from collections.abc import Iterator

import httpx
import pytest

from sidecar.model.event import Chart
from sidecar.model.exchange import Exchange
from sidecar.model.operation import DYNAMIC, DeleteChart, DownloadChart, Routes, UploadChart
from sidecar.parsing.pool import ParserLimits, ParserPool
from tests.support.process import NotInstalledError
from tests.support.servers import ChartMuseum
from tests.unit.charts.test_archive import a_header, a_tar, an_extension
from tests.unit.charts.test_chartfile import FORM, a_chart, a_form
from tests.wire.conftest import Noted, Running, StartProxy

MIB = 1024 * 1024
PLAIN = "apiVersion: v1\nname: app\nversion: 1.2.3\n"


@pytest.fixture(scope="module")
def museum(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChartMuseum]:
    try:
        server = ChartMuseum(tmp_path_factory.mktemp("charts"), depth="dynamic", allow_overwrite=True)
    except NotInstalledError as missing:
        pytest.skip(str(missing))
    with server:
        yield server


@pytest.fixture
async def proxy(start_proxy: StartProxy, museum: ChartMuseum) -> Running:
    return await start_proxy(
        "http://127.0.0.1:1", chart_repository_url=museum.url, routes=Routes(chart_depth=DYNAMIC)
    )


async def sent(
    proxy: Running, tenant: str, body: bytes, content_type: str = "", *, timeout_s: float = 30
) -> int:
    headers = {"Content-Type": content_type} if content_type else {}
    async with httpx.AsyncClient(base_url=proxy.url, trust_env=False, timeout=timeout_s) as client:
        return (await client.post(f"/api/{tenant}/charts", content=body, headers=headers)).status_code


async def uploaded(proxy: Running, noted: Noted, tenant: str, body: bytes, content_type: str = "") -> Chart:
    assert await sent(proxy, tenant, body, content_type) == 201
    (exchange,) = noted.exchanges
    assert exchange.chart
    return exchange.chart


def named(chart: Chart) -> tuple[str, str]:
    return chart.name, chart.version


@pytest.mark.parametrize(
    ("chart_yaml", "stored"),
    [
        ("name: app\nversion: 1e3", ("app", "1000")),
        ("name: app\nversion: 0x10", ("app", "16")),
        ("name: app\nversion: .5", ("app", "0.5")),
        ("name: app\nversion: 1.20241125", ("app", "1.2024113")),
        ("name: yes\nversion: 1.0.0", ("true", "1.0.0")),
        ("name: 0x1F\nversion: 1.0.0", ("31", "1.0.0")),
        ("name: 1_000\nversion: 1.0.0", ("1000", "1.0.0")),
        ("name: !!binary Zm9v\nversion: 1.0.0", ("foo", "1.0.0")),
        ("name: a+b\nversion: 1.0.0", ("a+b", "1.0.0")),
        ("name: a b\nversion: 1.0.0", ("a b", "1.0.0")),
        ("name: café\nversion: 1.0.0", ("café", "1.0.0")),
        ("name: a@b\nversion: 1.0.0", ("a@b", "1.0.0")),
        ("x: &x {name: merged}\n<<: *x\nversion: 1.0.0", ("merged", "1.0.0")),
    ],
)
async def test_chart_is_named_as_chartmuseum_stores_it(
    proxy: Running, noted: Noted, chart_yaml: str, stored: tuple[str, str]
) -> None:
    archive = a_chart(f"apiVersion: v1\n{chart_yaml}")
    chart = await uploaded(proxy, noted, f"named/{hash(chart_yaml)}", archive)
    assert named(chart) == stored
    assert chart.size_bytes == len(archive)


async def test_the_last_of_two_chart_yamls_counts(proxy: Running, noted: Noted) -> None:
    files = {
        "a/Chart.yaml": b"apiVersion: v1\nname: first\nversion: 1.0.0",
        "b/Chart.yaml": b"name: last\nversion: 2.0.0",
    }
    chart = await uploaded(proxy, noted, "two", gzip.compress(a_tar(files)))
    assert named(chart) == ("last", "2.0.0")


async def test_requirements_may_name_a_chart(proxy: Running, noted: Noted) -> None:
    archive = a_chart(PLAIN, **{"requirements.yaml": b"name: req\nversion: 9.0.0"})
    assert named(await uploaded(proxy, noted, "req", archive)) == ("req", "9.0.0")


async def test_chart_yaml_behind_nine_mebibytes_is_found(proxy: Running, noted: Noted) -> None:
    files = {f"app/{name}": bytes(3 * MIB) for name in "abc"} | {"app/Chart.yaml": PLAIN.encode()}
    assert named(await uploaded(proxy, noted, "late", gzip.compress(a_tar(files), 1))) == ("app", "1.2.3")


def a_part(head: bytes, content: bytes, *, before: bytes = b"") -> bytes:
    return before + b"--b\r\n" + head + b"\r\n\r\n" + content + b"\r\n--b--\r\n"


HEAD = b'Content-Disposition: form-data; name="chart"; filename="c.tgz"'
ARCHIVE = a_chart(PLAIN)


@pytest.mark.parametrize(
    "form",
    [
        a_part(HEAD, ARCHIVE, before=b"preamble\r\n"),
        a_part(HEAD.replace(b"; f", b";\r\n\tf"), ARCHIVE),
        a_part(b"X: " + b"y" * 5000 + b"\r\n" + HEAD, ARCHIVE),
        a_part(HEAD.replace(b'name="chart"', b"name*=utf-8''chart"), ARCHIVE),
        a_part(
            HEAD + b"\r\nContent-Transfer-Encoding: quoted-printable",
            binascii.b2a_qp(ARCHIVE, quotetabs=True, istext=False),
        ),
        a_part(
            HEAD, ARCHIVE, before=b'--b\r\nContent-Disposition: form-data; name="chart"\r\n\r\nno file\r\n'
        ),
    ],
    ids=["preamble", "folded", "long header", "name*", "quoted-printable", "first without a file name"],
)
async def test_odd_forms_are_uploads(proxy: Running, noted: Noted, form: bytes) -> None:
    chart = await uploaded(proxy, noted, f"forms/{hash(form)}", form, "multipart/form-data; boundary=b")
    assert (*named(chart), chart.size_bytes) == ("app", "1.2.3", len(ARCHIVE))


@pytest.mark.parametrize("kind", ["raw", "form"])
async def test_what_no_parser_reads_is_named_by_the_index(proxy: Running, noted: Noted, kind: str) -> None:
    hostile = "".join(f"%TAG !a{n}! tag:x,2000:\n" for n in range(20)) + f"---\n{PLAIN}"
    archive = a_chart(hostile)
    body = archive if kind == "raw" else a_form({"chart": archive})
    chart = await uploaded(proxy, noted, f"index/{kind}", body, FORM if kind == "form" else "")
    assert chart == Chart(name="app", version="1.2.3", type="application", size_bytes=len(archive))


@pytest.mark.parametrize("kind", ["raw", "form"])
async def test_what_nobody_tells_still_raises_an_event(
    start_proxy: StartProxy, noted: Noted, museum: ChartMuseum, kind: str
) -> None:
    body, content_type = ARCHIVE, ""
    size_bytes: int | None = len(ARCHIVE)
    if kind == "form":
        body, content_type, size_bytes = a_form({"chart": ARCHIVE}), FORM, None
    noted.parsers = ParserPool(ParserLimits(most_waiting=0, processes=0))
    proxy = await start_proxy(
        museum.url,
        chart_repository_url=museum.url,
        routes=Routes(chart_depth=DYNAMIC),
        look_up_timeout_s=0.5,
    )
    chart = await uploaded(proxy, noted, f"untold/{kind}", body, content_type)
    assert chart == Chart(name="", version="", type="", size_bytes=size_bytes)


async def test_nothing_is_parsed_of_what_the_repository_refuses(proxy: Running, noted: Noted) -> None:
    assert await sent(proxy, "refused", a_chart("name: [")) == 400
    assert await sent(proxy, "refused", a_form({"chart": b"x"}), FORM) == 400
    assert noted.readings == []


@pytest.mark.parametrize("target", ["//charts/{file}", "/org//charts/{file}"])
async def test_download_of_an_odd_path_is_one(proxy: Running, noted: Noted, target: str) -> None:
    tenant = target.partition("//")[0].strip("/")
    await sent(proxy, tenant or "/", ARCHIVE)
    head = f"GET {target.format(file='app-1.2.3.tgz')} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    answer = await proxy.ask(head.encode())
    assert answer.startswith(b"HTTP/1.1 200 ")
    exchange = (await noted.recorded(2))[-1]
    assert exchange.operation == DownloadChart(tenant, "app-1.2.3.tgz")
    assert exchange.chart
    assert named(exchange.chart) == ("app", "1.2.3")


async def test_upload_to_an_odd_path_is_one(proxy: Running, noted: Noted) -> None:
    head = b"POST /api//charts HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    answer = await proxy.ask(head % len(ARCHIVE) + ARCHIVE)
    assert answer.startswith(b"HTTP/1.1 201 ")
    (exchange,) = noted.exchanges
    assert exchange.operation == UploadChart("")


async def test_file_that_could_be_split_in_two_ways_is_named_by_what_is_in_it(
    proxy: Running, noted: Noted
) -> None:
    """a-b in version 1.0.0, and a in version b-1.0.0, are one file to ChartMuseum."""
    archive = a_chart("apiVersion: v1\nname: web-2\nversion: 1.0\n")
    await sent(proxy, "split", archive)
    async with httpx.AsyncClient(base_url=proxy.url, trust_env=False) as client:
        assert (await client.get("/split/charts/web-2-1.tgz")).status_code == 200
        await noted.recorded(2)
        assert (await client.delete("/api/split/charts/web/2-1")).status_code == 200
    downloaded, deleted = (await noted.recorded(3))[1:]
    chart = Chart(name="web-2", version="1", type="application", size_bytes=len(archive))
    assert downloaded.chart == chart
    assert deleted.operation == DeleteChart("split", "web", "2-1")
    assert deleted.facts.chart == chart


async def test_context_path_is_cut_off_as_chartmuseum_does(
    start_proxy: StartProxy, noted: Noted, tmp_path_factory: pytest.TempPathFactory, museum: ChartMuseum
) -> None:
    with ChartMuseum(tmp_path_factory.mktemp("context"), depth=0, context_path="/helm") as below:
        base = below.url.removesuffix("/helm")
        routes = Routes(chart_context_path="/helm")
        proxy = await start_proxy("http://127.0.0.1:1", chart_repository_url=base, routes=routes)
        async with httpx.AsyncClient(base_url=proxy.url, trust_env=False) as client:
            assert (await client.post("/helm/api/charts", content=ARCHIVE)).status_code == 201
            assert (await client.get("/helmX/charts/app-1.2.3.tgz")).status_code == 200
        exchange = (await noted.recorded(2))[-1]
    assert exchange.operation == DownloadChart("", "app-1.2.3.tgz")


@pytest.mark.parametrize("depth", [0, 1, 2, "dynamic"])
async def test_paths_mean_what_they_mean_to_chartmuseum(
    tmp_path_factory: pytest.TempPathFactory,
    museum: ChartMuseum,
    start_proxy: StartProxy,
    noted: Noted,
    depth: int | str,
) -> None:
    """Whatever is answered with success is watched, and what is watched is found."""
    with ChartMuseum(tmp_path_factory.mktemp("paths"), depth=depth, allow_overwrite=True) as it:  # type: ignore[arg-type]
        routes = Routes(chart_depth=DYNAMIC if depth == "dynamic" else int(depth))
        proxy = await start_proxy(it.url, chart_repository_url=it.url, routes=routes)
        for prefix in _PREFIXES:
            posted = await _status(proxy, noted, "POST", f"/api{prefix}/charts", ARCHIVE)
            got = await _status(proxy, noted, "GET", f"{prefix}/charts/app-1.2.3.tgz")
            deleted = await _status(proxy, noted, "DELETE", f"/api{prefix}/charts/app/1.2.3")
            tries = 40 if posted else 0
            while not deleted and tries:  # ChartMuseum may not know yet what it stored a moment ago
                tries -= 1
                await asyncio.sleep(0.05)
                deleted = await _status(proxy, noted, "DELETE", f"/api{prefix}/charts/app/1.2.3")
            assert posted == got == deleted, prefix


_PREFIXES = (
    "",
    "/",
    "/a",
    "/a/",
    "//a",
    "/a/b",
    "/a//b",
    "/a/./b",
    "/%61",
    "/a%2Fb",
    "/a/b/c",
    "/charts",
    "/api",
)


async def _status(proxy: Running, noted: Noted, method: str, path: str, body: bytes = b"") -> bool:
    """Whether it was answered with success, which must be whether it was recorded as one."""
    noted.exchanges.clear()
    head = f"{method} {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    answer = await proxy.ask(head.encode() + body)
    succeeded = answer.startswith(b"HTTP/1.1 2") and b"text/html" not in answer  # the welcome page
    exchanges = await noted.recorded() if succeeded else noted.exchanges
    recorded: list[Exchange] = [found for found in exchanges if found.succeeded]
    assert bool(recorded) is succeeded, (method, path, answer[:200])
    return succeeded


HOSTILE = {
    "directives": gzip.compress(
        a_tar(
            {
                "app/Chart.yaml": "".join(f"%TAG !a{n}! tag:x,2000:\n" for n in range(20_000)).encode()
                + f"---\n{PLAIN}".encode()
            }
        )
    ),
    "PAX headers": gzip.compress(
        an_extension(tarfile.XHDTYPE, b"8 a=bcd\n" * 1_000) * 1_900
        + a_tar({"app/Chart.yaml": PLAIN.encode()})
    ),
    "entries": gzip.compress(
        a_header(tarfile.REGTYPE, 0, "app/x") * 60_000 + a_tar({"app/Chart.yaml": PLAIN.encode()})
    ),
}


@pytest.mark.parametrize("archive", HOSTILE.values(), ids=HOSTILE)
async def test_hostile_archives_are_named_by_the_index_and_keep_nobody_waiting(
    start_proxy: StartProxy, noted: Noted, museum: ChartMuseum, archive: bytes
) -> None:
    noted.parsers = ParserPool(ParserLimits(cpu_s=0.1))
    proxy = await start_proxy(museum.url, chart_repository_url=museum.url, routes=Routes(chart_depth=DYNAMIC))
    upload = asyncio.create_task(sent(proxy, f"hostile/{len(archive)}", archive, timeout_s=60))
    began, answered_s = time.monotonic(), list[float]()
    async with httpx.AsyncClient(base_url=proxy.url, trust_env=False, timeout=60) as client:
        while not upload.done():
            asked = time.monotonic()
            assert (await client.get("/health")).status_code == 200
            answered_s.append(time.monotonic() - asked)
    assert await upload == 201
    assert ("chart-upload", None) in noted.readings
    (exchange,) = (found for found in noted.exchanges if isinstance(found.operation, UploadChart))
    assert exchange.chart == Chart(name="app", version="1.2.3", type="application", size_bytes=len(archive))
    assert max(answered_s) < (time.monotonic() - began) / 2, "the event loop stood still"


async def test_index_is_asked_for_only_where_there_is_room_for_it(proxy: Running, noted: Noted) -> None:
    noted.parsers = ParserPool(ParserLimits(cpu_s=0.1))
    archive = HOSTILE["entries"]
    proxy.proxy.budget.limit_bytes = 4 * MIB
    chart = await uploaded(proxy, noted, "no-room", archive)
    assert chart == Chart(name="", version="", type="", size_bytes=len(archive))
    assert not [kind for kind, _ in noted.readings if kind == "chart-index"]
    assert proxy.proxy.budget.taken_bytes < MIB  # what is left is of the connection
