"""What relaying costs: bytes and small requests, direct and through the proxy, with its CPU time.

.venv/bin/python -m tests.wire.proxy_bench [uvloop]
"""

import asyncio
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from aiohttp import web

os.environ.setdefault("BODY_GIB", "2")

from tests.support.process import free_port
from tests.support.raw_upstream import connect
from tests.wire.test_memory import BLOB, BODY_BYTES, MIB, ProxyProcess, Storage, download, upload

_REQUESTS = 4000
_AT_ONCE = 32


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        storage_port, small_port = free_port(), free_port()
        started = [
            multiprocessing.Process(target=serve_storage, args=(storage_port,), daemon=True),
            multiprocessing.Process(target=serve_small, args=(small_port,), daemon=True),
        ]
        for process in started:
            process.start()
        for target in (download, upload):
            measure_bytes(Path(folder) / target.__name__, target, storage_port)
        measure_requests(Path(folder) / "requests", small_port)


def measure_bytes(folder: Path, transfer: Callable[[int], int], storage_port: int) -> None:
    with ProxyProcess(folder, f"http://127.0.0.1:{storage_port}", *sys.argv[1:]) as proxy:
        direct_s = timed(lambda: transfer(storage_port))
        before_s = cpu_s(proxy)
        through_s = timed(lambda: transfer(proxy.port))
        used_s = cpu_s(proxy) - before_s
    gib = BODY_BYTES / MIB / 1024
    print(
        f"{transfer.__name__}: direct {gib / direct_s:.2f} GiB/s, through {gib / through_s:.2f} GiB/s, "
        f"{used_s / gib:.2f} s CPU per GiB"
    )


def measure_requests(folder: Path, port: int) -> None:
    with ProxyProcess(folder, f"http://127.0.0.1:{port}", *sys.argv[1:]) as proxy:
        for what in (f"HEAD {BLOB}", f"GET {BLOB}", "HEAD /v2/prj/app/manifests/v1", "PUT /v2/x"):
            direct_s = timed(lambda what=what: asyncio.run(ask_many(port, what)))  # type: ignore[misc]
            through_s = timed(lambda what=what: asyncio.run(ask_many(proxy.port, what)))  # type: ignore[misc]
            print(f"{what[:20]}: direct {_REQUESTS / direct_s:.0f}/s, through {_REQUESTS / through_s:.0f}/s")


async def ask_many(port: int, what: str) -> None:
    request = f"{what} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n".encode()

    async def ask() -> None:
        client = await connect(port)
        for _ in range(_REQUESTS // _AT_ONCE):
            await client.send(request)
            await client.read_head()
            if not what.startswith("HEAD"):
                await client.read(2)
        client.close()

    await asyncio.gather(*(ask() for _ in range(_AT_ONCE)))


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def cpu_s(proxy: ProxyProcess) -> float:
    times = psutil.Process(proxy.pid).cpu_times()
    return float(times.user + times.system)


def serve_storage(port: int) -> None:
    Storage(port)
    time.sleep(1000)


def serve_small(port: int) -> None:
    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=b"ok")

    async def serve() -> None:
        runner = web.ServerRunner(web.Server(answer))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.Event().wait()

    asyncio.run(serve())


if __name__ == "__main__":
    main()
