"""Bodies are never kept: what a body needs of memory does not depend on its length or on who is slow."""

import asyncio
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from tests.support.process import Process, free_port
from tests.support.raw_upstream import RawConnection, RawUpstream
from tests.wire.conftest import StartProxy

pytestmark = pytest.mark.slow

MIB = 1024 * 1024
ALLOWED_BYTES = 40 * MIB
#: Enough to be seen if a tenth were kept; BODY_GIB=4 is what the README says.
BODY_BYTES = int(float(os.environ.get("BODY_GIB", "0.5")) * 1024 * MIB)
BLOCK = bytes(MIB)
BLOB = "/v2/prj/app/blobs/sha256:" + "a" * 64


class ProxyProcess(Process):
    name = "proxy"

    def __init__(self, folder: Path, upstream_url: str, *options: str) -> None:
        super().__init__(folder)
        self.port = free_port()
        self._arguments = [upstream_url, str(self.port), *options]

    def command(self) -> Sequence[str]:
        return [sys.executable, "-m", "tests.wire.proxy_process", *self._arguments]

    def is_ready(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    @property
    def rss_bytes(self) -> int:
        return int(psutil.Process(self.pid).memory_info().rss)


class Storage:
    """A server in threads that gives and takes long bodies."""

    def __init__(self, port: int = 0) -> None:
        self._listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self.port = self._listener.getsockname()[1]
        self.taken_bytes = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                while head := read_head(connection):
                    if head.startswith(b"GET"):
                        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BODY_BYTES)
                        for _ in range(BODY_BYTES // len(BLOCK)):
                            connection.sendall(BLOCK)
                    else:
                        self.taken_bytes += read_body(connection, BODY_BYTES)
                        connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
            except OSError:
                return

    def close(self) -> None:
        self._listener.close()


def read_head(connection: socket.socket) -> bytes:
    """A head, read byte by byte so that nothing of the body is taken."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            return b""
        head += byte
    return head


def read_body(connection: socket.socket, size: int) -> int:
    buffer, taken = bytearray(MIB), 0
    while taken < size:
        count = connection.recv_into(buffer, min(MIB, size - taken))
        if not count:
            break
        taken += count
    return taken


def download(port: int) -> int:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(f"GET {BLOB} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
        read_head(connection)
        return read_body(connection, BODY_BYTES)


def upload(port: int) -> int:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(
            b"PATCH /v2/prj/app/blobs/uploads/x HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n"
            % BODY_BYTES
        )
        for _ in range(BODY_BYTES // len(BLOCK)):
            connection.sendall(BLOCK)
        assert read_head(connection).startswith(b"HTTP/1.1 202 ")
        return BODY_BYTES


@pytest.fixture
def storage() -> Iterator[Storage]:
    server = Storage()
    yield server
    server.close()


@pytest.mark.parametrize("transfer", [download, upload])
@pytest.mark.parametrize("at_once", [1, 4])
def test_memory_while_a_long_body_goes_by(
    tmp_path: Path, storage: Storage, transfer: Callable[[int], int], at_once: int
) -> None:
    if at_once > 1 and BODY_BYTES > 1024 * MIB:
        pytest.skip("one long body is enough")
    with ProxyProcess(tmp_path, f"http://127.0.0.1:{storage.port}") as proxy:
        idle_bytes = peak_bytes = proxy.rss_bytes
        moved: list[int] = []
        threads = [
            threading.Thread(target=lambda: moved.append(transfer(proxy.port))) for _ in range(at_once)
        ]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            peak_bytes = max(peak_bytes, proxy.rss_bytes)
            threads[0].join(0.02)
        assert moved == [BODY_BYTES] * at_once
        print(
            f"{transfer.__name__} x{at_once}: idle {idle_bytes / MIB:.1f} MiB, peak {peak_bytes / MIB:.1f} MiB"
        )
        assert peak_bytes - idle_bytes < ALLOWED_BYTES


async def test_client_that_does_not_read_stops_the_upstream(start_proxy: StartProxy) -> None:
    sent_bytes = 0

    async def script(connection: RawConnection) -> None:
        nonlocal sent_bytes
        await connection.read_head()
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            await connection.send(BLOCK)
            sent_bytes += len(BLOCK)

    async with RawUpstream(script) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await client.send(f"GET {BLOB} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        await client.read_head()
        await asyncio.sleep(0.7)
        assert sent_bytes < ALLOWED_BYTES
        client.reset()


async def test_upstream_that_does_not_read_stops_the_client(start_proxy: StartProxy) -> None:
    async def script(connection: RawConnection) -> None:
        await connection.read_head()
        await asyncio.sleep(30)

    async with RawUpstream(script) as upstream:
        proxy = await start_proxy(upstream.url)
        client = await proxy.connect()
        await client.send(
            b"PATCH /v2/a/b/blobs/uploads/x HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000\r\n\r\n"
        )
        sent_bytes = 0

        async def send() -> None:
            nonlocal sent_bytes
            while True:
                await client.send(BLOCK)
                sent_bytes += len(BLOCK)

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(send(), 0.7)
        assert sent_bytes < ALLOWED_BYTES
        client.reset()
