"""Large layers: made of one repeated block, sent and fetched by a client that only moves bytes."""

import hashlib
import http.client
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

MIB: Final = 1 << 20
GIB: Final = 1 << 30
_TIMEOUT_S: Final = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Bytes of that size, unique to the seed."""

    size: int  #: in bytes, whole MiB
    seed: int

    def blocks(self) -> Iterator[bytes]:
        block = random.Random(self.seed).randbytes(MIB)  # noqa: S311  # incompressible, not secret
        for _ in range(self.size // MIB):
            yield block

    def digest(self) -> str:
        digest = hashlib.sha256()
        for block in self.blocks():
            digest.update(block)
        return f"sha256:{digest.hexdigest()}"


@dataclass(frozen=True, slots=True)
class Moved:
    """A layer has gone one way."""

    seconds: float
    digest: str


def push_layer(port: int, repository: str, layer: Layer) -> Moved:
    """POST, PATCH with the bytes, PUT, as docker does; the digest is computed before the measurement."""
    digest = layer.digest()
    begun_at = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
    location = _ask(connection, "POST", f"/v2/{repository}/blobs/uploads/", 202)
    connection.request(
        "PATCH",
        location,
        body=layer.blocks(),
        headers={"Content-Length": str(layer.size), "Content-Type": "application/octet-stream"},
    )
    location = _location(connection.getresponse(), 202)
    joint = "&" if "?" in location else "?"
    _ask(connection, "PUT", f"{location}{joint}digest={digest}", 201)
    connection.close()
    return Moved(time.monotonic() - begun_at, digest)


def pull_layer(port: int, repository: str, digest: str, *, verify: bool = False) -> Moved:
    """GET a blob and discard it; hashing it would cost the client time, so only tests do."""
    begun_at = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
    connection.request("GET", f"/v2/{repository}/blobs/{digest}")
    response = connection.getresponse()
    expected, came, hashed = int(response.headers["Content-Length"]), 0, hashlib.sha256()
    buffer = bytearray(MIB)
    while number := response.readinto(buffer):
        came += number
        if verify:
            hashed.update(memoryview(buffer)[:number])
    connection.close()
    if response.status != 200 or came != expected or (verify and digest != f"sha256:{hashed.hexdigest()}"):
        raise RuntimeError(f"{response.status}, {came} of {expected} bytes, or others than asked for")
    return Moved(time.monotonic() - begun_at, digest)


def _ask(connection: http.client.HTTPConnection, method: str, target: str, status: int) -> str:
    connection.request(method, target, headers={"Content-Length": "0"})
    return _location(connection.getresponse(), status)


def _location(response: http.client.HTTPResponse, status: int) -> str:
    response.read()
    if response.status != status:
        raise RuntimeError(f"answered {response.status}, not {status}")
    parts = urlsplit(response.headers["Location"])
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
