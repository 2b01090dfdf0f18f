"""A receiver that costs little, as a process of its own: `python -m bench.receiver PORT`.

The first part of a path says how it behaves:

    /count/…   answers 200 and counts
    /keep/…    the same, and stores the path, the tag in the body and the time
    /fail/…    answers 500
    /hang/…    never answers
    /drip/…    answers a byte a second

`GET /figures` and `GET /kept` return as JSON what was received. Times are CLOCK_MONOTONIC, which all processes of a
machine share.
"""

import asyncio
import json
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from tests.support.process import Process, answers, environment, free_port

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TAG: Final = re.compile(rb'"tag": ?"([^"]*)"')
_ACCEPTED: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_FAILED: Final = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
_DRIP_S: Final = 1.0


@dataclass(slots=True)
class Counts:
    """What was received."""

    count: int = 0
    first_at: float = 0.0
    last_at: float = 0.0
    received: list[tuple[str, str, float]] = field(default_factory=list)  #: path, tag, time

    def figures(self) -> dict[str, Any]:
        return {"count": self.count, "first_at": self.first_at, "last_at": self.last_at}


class Connection(asyncio.Protocol):
    """One client's requests, one after the other."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._received = bytearray()
        self._transport: asyncio.WriteTransport | None = None
        self._behaviours: Mapping[bytes, Callable[[bytes, bytes], bytes]] = {
            b"count": self._count,
            b"keep": self._keep,
            b"fail": lambda _path, _body: _FAILED,
            b"hang": lambda _path, _body: b"",
            b"drip": self._drip,
            b"figures": lambda _path, _body: _json(counts.figures()),
            b"kept": lambda _path, _body: _json(counts.received),
        }

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._received[: end + 2])
            length = _LENGTH.search(head)
            size = end + 4 + (int(length[1]) if length else 0)
            if len(self._received) < size:
                return
            body = bytes(self._received[end + 4 : size])
            del self._received[:size]
            self._answer(head.split(b" ", 2)[1], body)

    def _answer(self, path: bytes, body: bytes) -> None:
        assert self._transport is not None
        self._transport.write(self._behaviours[path.split(b"/", 2)[1]](path, body))

    def _count(self, _path: bytes, _body: bytes) -> bytes:
        counts = self._counts
        counts.last_at = time.monotonic()
        counts.first_at = counts.first_at or counts.last_at
        counts.count += 1
        return _ACCEPTED

    def _keep(self, path: bytes, body: bytes) -> bytes:
        tag = _TAG.search(body)
        self._counts.received.append((path.decode(), tag[1].decode() if tag else "", time.monotonic()))
        return self._count(path, body)

    def _drip(self, _path: bytes, _body: bytes) -> bytes:
        self._drip_rest(_ACCEPTED)
        return b""

    def _drip_rest(self, rest: bytes) -> None:
        if self._transport is None or self._transport.is_closing() or not rest:
            return
        self._transport.write(rest[:1])
        asyncio.get_running_loop().call_later(_DRIP_S, self._drip_rest, rest[1:])


def _json(value: dict[str, Any] | Sequence[Any]) -> bytes:
    body = json.dumps(value).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


class FastReceiver(Process):
    """The receiver as a process; start it anew to begin from nothing."""

    name = "receiver"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> Sequence[str]:
        return sys.executable, "-m", "bench.receiver", str(self.port)

    def environment(self) -> Mapping[str, str]:
        return environment()

    def is_ready(self) -> bool:
        return answers(f"{self.url}/figures", 200)

    def count(self) -> int:
        return int(self.figures()["count"])

    def figures(self) -> dict[str, float]:
        figures: dict[str, float] = httpx.get(f"{self.url}/figures", trust_env=False, timeout=30).json()
        return figures

    def received(self) -> list[tuple[str, str, float]]:
        rows = httpx.get(f"{self.url}/kept", trust_env=False, timeout=30).json()
        return [(path, tag, at) for path, tag, at in rows]

    def wait_for(self, count: int, timeout_s: float) -> int:
        """How many arrived, once there are that many or the timeout is over."""
        deadline = time.monotonic() + timeout_s
        while (came := self.count()) < count and time.monotonic() < deadline:
            time.sleep(0.05)
        return came


async def serve(port: int) -> None:
    counts = Counts()
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(counts), "127.0.0.1", port, backlog=4096
    )
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
