"""One request on a connection of its own, and the answer as it came, also when it comes before the body is through."""

import select
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse
from typing import Literal

import httpx

#: How a body is sent: with its length, in chunks, or with its length after "Expect: 100-continue".
Sending = Literal["length", "chunked", "expect"]
CHUNK = 64 * 1024
PATIENCE_S = 20.0
CONTINUE_WITHIN_S = 1.0  #: then the body is sent all the same, as curl does


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    variant: str  #: in words
    operation: str  #: as in the files: upload-start, upload-patch, upload-put, manifest-put or chart
    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    sending: Sending = "length"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: str
    is_early: bool  #: it came before the whole body was sent
    was_continued: bool  #: the server said "100 Continue"


def ask(server: str, write: Write) -> Answer:
    """Send the body until an answer comes: neither refusal nor reset stops that from being read."""
    place = httpx.URL(server + write.path)
    with socket.create_connection((place.host, place.port or 80), timeout=PATIENCE_S) as connection:
        connection.sendall(_head(place, write))
        was_continued = write.sending == "expect" and _is_continued(connection)
        left = _send(connection, _framed(write))
        return _read(connection, write, is_early=bool(left), was_continued=was_continued)


def _head(place: httpx.URL, write: Write) -> bytes:
    length = str(len(write.body))
    framing = {"Transfer-Encoding": "chunked"} if write.sending == "chunked" else {"Content-Length": length}
    if write.sending == "expect":
        framing["Expect"] = "100-continue"
    headers = {"Host": place.netloc.decode(), **write.headers, **framing}
    lines = [
        f"{write.method} {place.raw_path.decode()} HTTP/1.1",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _framed(write: Write) -> bytes:
    if write.sending != "chunked":
        return write.body
    chunks = (write.body[start : start + CHUNK] for start in range(0, len(write.body), CHUNK))
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


def _is_continued(connection: socket.socket) -> bool:
    """Whether the first answer is "100 Continue", which is taken off the connection; others are left on it."""
    if not _events(connection, select.POLLIN, CONTINUE_WITHIN_S):
        return False
    if not connection.recv(12, socket.MSG_PEEK).endswith(b" 100"):
        return False
    while b"\r\n\r\n" not in (head := connection.recv(1024, socket.MSG_PEEK)):
        pass
    connection.recv(len(head.partition(b"\r\n\r\n")[0]) + 4)
    return True


def _send(connection: socket.socket, body: bytes) -> memoryview:
    """What was not sent because an answer came, or because the server closed."""
    left = memoryview(body)
    while left:
        if _events(connection, select.POLLIN | select.POLLOUT, PATIENCE_S) != select.POLLOUT:
            break
        try:
            left = left[connection.send(left[:CHUNK]) :]
        except ConnectionError:
            break
    return left


def _events(connection: socket.socket, wanted: int, within_s: float) -> int:
    """Which of these `poll` has seen, 0 for none; `select` knows the first 1,024 descriptors only."""
    poll = select.poll()
    poll.register(connection, wanted)
    return sum(events for _, events in poll.poll(within_s * 1000))


def _read(connection: socket.socket, write: Write, *, is_early: bool, was_continued: bool) -> Answer:
    response = HTTPResponse(connection, method=write.method)
    response.begin()
    try:
        body = response.read()
    except (HTTPException, ConnectionError) as cut_off:
        raise AssertionError(f"the answer to {write.method} was cut off") from cut_off
    return Answer(
        status=response.status,
        headers=dict(response.getheaders()),
        body=body.decode(),
        is_early=is_early,
        was_continued=was_continued,
    )
