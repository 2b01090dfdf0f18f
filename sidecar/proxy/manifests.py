"""Manifests as the relay reads them: after the upstream has accepted them, and never for long on the event loop.

A small one is read at once: 2 ms for the worst 32 KiB that anybody could write. A larger one is read by a
parser process with hard limits; one that it does not read is still an event, with what path and headers say.
"""

import asyncio
import hashlib
import zlib
from contextlib import suppress
from typing import Final

from sidecar.model.errors import ManifestInvalid
from sidecar.model.exchange import Body
from sidecar.model.manifest import LARGEST_MANIFEST_BYTES, Manifest, manifest_from_document, parse_manifest
from sidecar.model.names import Digest
from sidecar.proxy.interface import Parse

#: How zlib reads a content-encoding: `deflate` is written with a header of zlib's, or without.
_WINDOWS: Final = {"gzip": (31,), "x-gzip": (31,), "deflate": (15, -15)}

#: Larger ones are read elsewhere; images have a few KiB.
SMALL_BYTES: Final = 32 * 1024


async def read_manifest(body: Body, parse: Parse, *, asked_by: str = "") -> Manifest | None:
    """The manifest, None for what is not understood or beyond a limit."""
    if len(body.content) <= SMALL_BYTES:
        return read_small(body)
    answer = await parse("manifest", body.content, {"content_type": body.content_type}, asked_by=asked_by)
    return manifest_from_document(answer["manifest"]) if answer else None


def read_small(body: Body) -> Manifest | None:
    if len(body.content) > SMALL_BYTES:
        return None
    try:
        return parse_manifest(body.content, body.content_type)
    except ManifestInvalid:
        return None


async def decoded(content: bytes | None, encoding: str) -> bytes | None:
    """A body without its content-encoding, None when it is unknown or grows too large."""
    if content is None or encoding in {"", "identity"}:
        return content
    if encoding not in {"gzip", "x-gzip"}:
        return None
    plain, is_whole = await _inflated(content, encoding, LARGEST_MANIFEST_BYTES)
    return plain if is_whole else None


async def decoded_opening(content: bytes, encoding: str, limit_bytes: int) -> bytes:
    """What can be read of the beginning of a body, at most so much; b"" in an encoding that is not known."""
    if encoding in {"", "identity"}:
        return content[:limit_bytes]
    if encoding in _WINDOWS:
        plain, _ = await _inflated(content, encoding, limit_bytes)
        return plain
    return b""


async def _inflated(content: bytes, encoding: str, limit_bytes: int) -> tuple[bytes, bool]:
    """What can be read, at most so much, and whether that is all of it."""
    return await asyncio.to_thread(
        _inflate, content, encoding, limit_bytes
    )  # zlib lets go of the interpreter


def _inflate(content: bytes, encoding: str, limit_bytes: int) -> tuple[bytes, bool]:
    for window in _WINDOWS[encoding]:
        inflater = zlib.decompressobj(window)
        with suppress(zlib.error):
            return inflater.decompress(content, limit_bytes), inflater.eof
    return b"", False


async def sha256_of(content: bytes) -> Digest:
    if len(content) > SMALL_BYTES:
        return await asyncio.to_thread(_sha256_of, content)  # so does hashlib
    return _sha256_of(content)


def _sha256_of(content: bytes) -> Digest:
    return Digest(f"sha256:{hashlib.sha256(content).hexdigest()}")
