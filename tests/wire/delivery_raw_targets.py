"""Targets that no HTTP library would let us build: they hang, drip, lie and break off."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

Behave = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class RawTarget:
    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"


@asynccontextmanager
async def a_raw_target(behave: Behave) -> AsyncIterator[RawTarget]:
    target = RawTarget()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target.connections += 1
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while request := await read_request(reader):
                target.requests.append(request)
                await behave(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    target.port = server.sockets[0].getsockname()[1]
    try:
        yield target
    finally:
        server.close()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return head + await reader.readexactly(int(lengths[0].partition(b":")[2]) if lengths else 0)


def answers(raw: bytes, *, then_close: bool = False) -> Behave:
    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()
        if then_close:
            writer.close()

    return behave


async def hangs(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def breaks_off(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


def drips(beginning: bytes) -> Behave:
    """Then a byte every tenth of a second, for ever."""

    async def behave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(beginning)
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.1)

    return behave


@dataclass
class Gauged:
    """Counts how many requests it has at once, and fails while it is down."""

    is_up: bool = True
    under_way: int = 0
    most: int = 0
    before: list[int] = field(default_factory=list)  #: how many there were when each came, while it was up

    async def behave(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        if self.is_up:
            self.before.append(self.under_way)
        status = b"200 OK" if self.is_up else b"503 Unavailable"
        await asyncio.sleep(0.01)
        self.under_way -= 1
        await answers(b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n" % status)(reader, writer)
