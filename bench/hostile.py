"""Does hostile traffic disturb other clients? A client that asks every 50 ms, alone and under attack.

The attacks need no credentials: charts and manifests that take long to parse, endless heads, bodies whose
last byte never comes; one and ten of them at once, repeatedly.
"""

import asyncio
import gzip
import io
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final

from bench.figures import Figure, percentile
from bench.load import Elsewhere, Outcome, Plan, elsewhere, run_plan
from bench.receiver import FastReceiver
from bench.scale import MIB, Scale
from bench.stack import REPOSITORY, a_folder, a_registry, a_sidecar
from bench.watch import rss_mib, watched
from tests.support.servers import ChartMuseum, Sidecar

TITLE: Final = "hostile: GET /v2/ every 50 ms, beside uploads that are long to read and requests without end"

_PAUSE_S: Final = 0.05
_ANSWER_S: Final = 5.0  #: timeout of a response
_SETTLE_S: Final = 2.0  #: between the last request and the reading of the memory

_BOUNDARY: Final = b"----bench"
_PUT: Final = f"PUT /v2/{REPOSITORY}/manifests/hostile HTTP/1.1\r\nHost: h\r\n".encode()
_OCI: Final = b"Content-Type: application/vnd.oci.image.manifest.v1+json\r\n"


def chart(chart_yaml: bytes, *, filler: int = 0) -> bytes:
    """An upload of a chart with that Chart.yaml."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for name, content in (("x/filler", bytes(filler)), ("x/Chart.yaml", chart_yaml)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return _upload(raw.getvalue())


def chained_headers(count: int) -> bytes:
    """A tar of nothing but headers of headers."""
    member = tarfile.TarInfo("././@PaxHeader")
    member.type = tarfile.XHDTYPE
    record = b"410 a=" + b"b" * 403 + b"\n"
    member.size = len(record)
    header = member.tobuf(tarfile.USTAR_FORMAT) + record.ljust(tarfile.BLOCKSIZE, b"\0")
    return _upload(header * count)


def _upload(tar: bytes) -> bytes:
    content = gzip.compress(tar, 6)
    disposition = b'Content-Disposition: form-data; name="chart"; filename="x-1.tgz"\r\n\r\n'
    body = b"--" + _BOUNDARY + b"\r\n" + disposition + content + b"\r\n--" + _BOUNDARY + b"--\r\n"
    head = (
        b"POST /api/prj/charts HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=%s\r\n"
        b"Content-Length: %d\r\n\r\n" % (_BOUNDARY, len(body))
    )
    return head + body


def manifest(body: bytes, *, missing: int = 0) -> bytes:
    return _PUT + _OCI + b"Content-Length: %d\r\n\r\n" % len(body) + body[: len(body) - missing]


KINDS: Final[dict[str, Callable[[], bytes]]] = {
    "chart of %TAG lines": lambda: chart(b"%TAG !a! tag:x,2000:\n" * 50_000 + b"---\nname: x\nversion: 1\n"),
    "chart of 9 MiB, deep YAML": lambda: chart(b"name: " + b"[" * 500_000, filler=9 * MIB),
    "chart of chained headers": lambda: chained_headers(3000),
    "manifest of 4 MiB of [": lambda: manifest(b"[" * (4 * MIB)),
    "manifest of 4 MiB of []": lambda: manifest(b"[" + b"[]," * (4 * MIB // 3 - 4) + b"[]]"),
    "manifest whose end never comes": lambda: manifest(b" " * (4 * MIB), missing=1),
    "head of 4,000 headers": lambda: b"GET /v2/ HTTP/1.1\r\nHost: h\r\n" + b"X-A: b\r\n" * 4000 + b"\r\n",
    "head of 1 MiB": lambda: b"GET /v2/ HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n",
    "head of 15 MiB": lambda: b"GET /v2/ HTTP/1.1\r\nHost: h\r\n" + (b"X: " + b"x" * 31_000 + b"\r\n") * 500,
    "head whose end never comes": lambda: b"GET /v2/ HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 100_000,
}


def send_again_and_again(port: int, kind: str, *, at_once: int, seconds: float) -> int:
    """Requests that were sent, each on a connection of its own."""
    return asyncio.run(_send_all(port, KINDS[kind](), at_once=at_once, seconds=seconds))


async def _send_all(port: int, request: bytes, *, at_once: int, seconds: float) -> int:
    until = time.monotonic() + seconds
    return sum(await asyncio.gather(*(_send_until(until, port, request) for _ in range(at_once))))


async def _send_until(until: float, port: int, request: bytes) -> int:
    sent = 0
    while time.monotonic() < until:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            async with asyncio.timeout(min(_ANSWER_S, max(until - time.monotonic(), 0.01))):
                writer.write(request)
                await writer.drain()
                await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()  # at once, with what was not taken yet
        sent += 1
    return sent


def measure(scale: Scale) -> Iterator[Figure]:
    with (
        a_folder() as folder,
        elsewhere(2) as other,
        FastReceiver(folder / "receiver") as receiver,
        a_registry(folder / "registry") as registry,
        ChartMuseum(folder / "charts") as charts,
        a_sidecar(
            folder / "sidecar",
            registry=registry.url,
            addresses=[f"{receiver.url}/count/events"],
            chart_repository={"url": charts.url, "depth": 1},
        ) as sidecar,
    ):
        _at_a_steady_rate(other, sidecar.proxy_port, scale.seconds)  # warm
        idle = _at_a_steady_rate(other, sidecar.proxy_port, scale.seconds * 2)
        for kind in KINDS:
            for at_once in (1, 10):
                yield _under_load(other, sidecar, idle, kind, at_once=at_once, seconds=scale.seconds * 2)
        yield from _memory(other, sidecar, seconds=scale.seconds)


def _at_a_steady_rate(other: Elsewhere, port: int, seconds: float) -> Outcome:
    outcome = other.run(run_plan, Plan(port=port, seconds=seconds, pause_s=_PAUSE_S))
    outcome.check(200)
    return outcome


def _under_load(
    other: Elsewhere, sidecar: Sidecar, idle: Outcome, kind: str, *, at_once: int, seconds: float
) -> Figure:
    port = sidecar.proxy_port
    attack = other.start(send_again_and_again, port, kind, at_once=at_once, seconds=seconds)
    loaded = _at_a_steady_rate(other, port, seconds)
    sent = attack.result()
    time.sleep(_SETTLE_S)  # what it left behind is its own
    return Figure(
        what=f"p99 beside {kind}, {at_once} at once ({sent} sent)",
        value=percentile(loaded.durations_s, 0.99) * 1000,
        unit="ms",
        peer=percentile(idle.durations_s, 0.99) * 1000,
        which="alone",
    )


def _memory(other: Elsewhere, sidecar: Sidecar, *, seconds: float) -> Iterator[Figure]:
    """Sixty of what is held longest: the most that is resident, and what is afterwards."""
    for kind in ("manifest whose end never comes", "head whose end never comes", "head of 15 MiB"):
        with watched(sidecar.pid) as usage:
            other.run(send_again_and_again, sidecar.proxy_port, kind, at_once=60, seconds=seconds)
        time.sleep(_SETTLE_S)
        which = "before"
        what = f"memory, 60 at once of {kind}"
        yield Figure(what=f"{what}: most", value=usage.peak_mib, unit="MiB", peer=usage.idle_mib, which=which)
        after = rss_mib(sidecar.pid)
        yield Figure(what=f"{what}: afterwards", value=after, unit="MiB", peer=usage.idle_mib, which=which)
