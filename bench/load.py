"""Load generators: plain sockets, in processes of their own, so that they do not affect the measurement."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Final, ParamSpec, TypeVar

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_BODILESS: Final = frozenset({204, 304})
_LIMIT_S: Final = 300.0
#: In a body: as long as what it becomes.
NUMBER: Final = b"@NUMBER@"
#: Without it distribution answers 404 for an OCI manifest.
_ACCEPT: Final = "application/vnd.oci.image.manifest.v1+json"

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Requests to one server; `{n}` in the path and NUMBER in the body become the request's number."""

    port: int
    method: str = "GET"
    path: str = "/v2/"
    content_type: str = ""
    body: bytes = b""
    connections: int = 1
    count: int = 0  #: requests in all; 0 for as many as possible within `seconds`
    seconds: float = 0.0
    pause_s: float = 0.0  #: of each connection between an answer and the next request

    def request(self, number: int) -> bytes:
        path = self.path.replace("{n}", str(number))
        about_body = (
            f"Content-Type: {self.content_type}\r\nContent-Length: {len(self.body)}\r\n" if self.body else ""
        )
        headers = f"Host: 127.0.0.1:{self.port}\r\nAccept: {_ACCEPT}\r\n{about_body}"
        body = self.body.replace(NUMBER, b"%08d" % number)
        return f"{self.method} {path} HTTP/1.1\r\n{headers}\r\n".encode() + body


@dataclass(slots=True, kw_only=True)
class Outcome:
    """The result of a plan."""

    seconds: float = 0.0
    durations_s: list[float] = field(default_factory=list)
    sent_at: dict[int, float] = field(default_factory=dict)  #: CLOCK_MONOTONIC by number
    answered_at: dict[int, float] = field(default_factory=dict)  #: likewise
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        return len(self.durations_s) / self.seconds if self.seconds else 0.0

    def check(self, *statuses: int) -> None:
        """Raise when any response was another one: figures of refusals are meaningless."""
        if not self.durations_s or set(self.statuses) - set(statuses):
            raise RuntimeError(f"answers were {dict(self.statuses)}, not {statuses}")


class _Course:
    """What the connections of one plan share."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.outcome = Outcome()
        self.begun_at = time.monotonic()
        self.is_over = asyncio.Event()
        self._next = 0
        self._under_way = 0

    def take(self) -> int | None:
        """The number of the next request, None when there is none any more."""
        is_last = self._next >= self.plan.count if self.plan.count else self._elapsed() >= self.plan.seconds
        if is_last:
            if not self._under_way:
                self.is_over.set()
            return None
        self._next += 1
        self._under_way += 1
        return self._next - 1

    def answered(self, number: int, status: int, sent_at: float) -> None:
        now = time.monotonic()
        self._under_way -= 1
        self.outcome.durations_s.append(now - sent_at)
        self.outcome.sent_at[number] = sent_at
        self.outcome.answered_at[number] = now
        self.outcome.statuses[status] += 1
        self.outcome.seconds = now - self.begun_at

    def _elapsed(self) -> float:
        return time.monotonic() - self.begun_at


class _Client(asyncio.Protocol):
    """One connection: a request, its answer, the next request."""

    def __init__(self, course: _Course) -> None:
        self._course = course
        self._received = b""
        self._number: int | None = None
        self._sent_at = 0.0
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        self._send_next()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if (end := self._received.find(b"\r\n\r\n")) < 0:
            return
        head = self._received[: end + 2]
        status = int(head[9:12])
        length = _LENGTH.search(head)
        has_body = self._course.plan.method != "HEAD" and status not in _BODILESS
        if len(self._received) < end + 4 + (int(length[1]) if length and has_body else 0):
            return
        self._received = b""
        assert self._number is not None
        self._course.answered(self._number, status, self._sent_at)
        self._number = None
        if self._course.plan.pause_s:
            asyncio.get_running_loop().call_later(self._course.plan.pause_s, self._send_next)
        else:
            self._send_next()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's signature
        if self._number is not None:
            self._course.answered(self._number, 0, self._sent_at)

    def _send_next(self) -> None:
        assert self._transport is not None
        self._number = self._course.take()
        if self._number is None:
            self._transport.close()
            return
        self._sent_at = time.monotonic()
        self._transport.write(self._course.plan.request(self._number))


def run_plan(plan: Plan) -> Outcome:
    """Carry out a plan in this process."""
    return asyncio.run(_carry_out(plan))


async def _carry_out(plan: Plan) -> Outcome:
    loop = asyncio.get_running_loop()
    course = _Course(plan)
    for _ in range(plan.connections):
        await loop.create_connection(lambda: _Client(course), "127.0.0.1", plan.port)
    async with asyncio.timeout(_LIMIT_S):
        await course.is_over.wait()
    return course.outcome


class Elsewhere:
    """Other processes, started once."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def start(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        return self._pool.submit(work, *args, **kwargs)

    def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return self.start(work, *args, **kwargs).result()


@contextmanager
def elsewhere(processes: int = 1) -> Iterator[Elsewhere]:
    """Functions of modules run in other processes, fresh ones that share nothing with this one."""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield Elsewhere(pool)
