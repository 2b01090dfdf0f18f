"""An upstream that follows a script, byte for byte: what it got is kept as it came.

async def script(connection: RawConnection) -> None:
    await connection.read_head()
    await connection.send(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")

async with RawUpstream(script) as upstream: ...

A script runs once for each connection; when it ends, the connection is closed. An error in a script
fails the test at the end of the block.
"""

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class RawConnection:
    """One connection from the proxy, or from a client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.received = bytearray()  #: everything that was read
        self._reader = reader
        self._writer = writer

    async def read_head(self) -> bytes:
        """A head with its empty line."""
        return await self._kept(self._reader.readuntil(b"\r\n\r\n"))

    async def read(self, size: int) -> bytes:
        """Exactly so much of a body."""
        return await self._kept(self._reader.readexactly(size))

    async def read_some(self, size: int = 65536) -> bytes:
        """What is there, b"" at the end of the connection."""
        return await self._kept(self._reader.read(size))

    async def read_until_closed(self) -> bytes:
        """All that comes until the other side is gone, orderly or not."""
        began = len(self.received)
        try:
            while await self.read_some():
                pass
        except ConnectionError:
            pass
        return bytes(self.received[began:])

    async def read_chunk(self) -> bytes:
        """The next chunk of a chunked body, b"" for the last."""
        size = int((await self._kept(self._reader.readline())).partition(b";")[0], 16)
        return (await self.read(size + 2))[:-2]

    async def read_chunked(self) -> bytes:
        """A whole chunked body."""
        body = b""
        while chunk := await self.read_chunk():
            body += chunk
        return body

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    def close(self) -> None:
        self._writer.close()

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    @property
    def is_closing(self) -> bool:
        return self._writer.is_closing()

    async def _kept(self, reading: Awaitable[bytes]) -> bytes:
        data = await reading
        self.received += data
        return data


Script = Callable[[RawConnection], Awaitable[None]]


class RawUpstream:
    """Listens on loopback; each connection follows the script."""

    def __init__(self, script: Script, *, tls: ssl.SSLContext | None = None) -> None:
        self.script = script
        self._tls = tls
        self.connections: list[RawConnection] = []
        self._errors: list[BaseException] = []
        self._running: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self.host}"

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def received(self) -> bytes:
        """What came on all connections, in the order in which they were opened."""
        return b"".join(bytes(connection.received) for connection in self.connections)

    @property
    def heads(self) -> list[str]:
        """Request lines in the order of connections, of requests without a body in between."""
        lines = self.received.decode("latin-1").split("\r\n")
        return [line for line in lines if line.endswith(("HTTP/1.1", "HTTP/1.0"))]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        connection = RawConnection(reader, writer)
        self.connections.append(connection)
        try:
            await self.script(connection)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the proxy left, or the test is over
        except Exception as error:  # noqa: BLE001  # reported by __aexit__
            self._errors.append(error)
        finally:
            self._running.discard(task)
            writer.close()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", 0, limit=4 * 1024 * 1024, ssl=self._tls
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in tuple(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        if self._errors and error is None:
            raise self._errors[0]


async def connect(port: int) -> RawConnection:
    """A raw client of a listener on loopback."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4 * 1024 * 1024)
    return RawConnection(reader, writer)


def answering(answer: bytes = OK) -> Script:
    """Every request without a body gets the same answer, on connections that stay open."""

    async def script(connection: RawConnection) -> None:
        while True:
            await connection.read_head()
            await connection.send(answer)

    return script
