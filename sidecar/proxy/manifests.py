"""Parses manifests after the upstream has accepted them, without blocking the event loop.

A small one is parsed at once: 2 ms for the worst 32 KiB. A larger one is parsed by a
parser process with hard limits; one that fails still raises an event, with what path and headers say.
"""

import asyncio
import hashlib
from typing import Final

from sidecar.model.encodings import inflated, is_plain
from sidecar.model.errors import ManifestInvalid
from sidecar.model.exchange import Body
from sidecar.model.manifest import LARGEST_MANIFEST_BYTES, Manifest, manifest_from_document, parse_manifest
from sidecar.model.names import Digest
from sidecar.proxy.interface import Parse

#: Larger ones are parsed in a process; those of images have a few KiB.
SMALL_BYTES: Final = 32 * 1024


async def read_manifest(body: Body, parse: Parse, *, asked_by: str = "") -> Manifest | None:
    """The manifest, None if it is not understood or exceeds a limit."""
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
    if content is None or is_plain(encoding):
        return content
    if encoding not in {"gzip", "x-gzip"}:
        return None
    # zlib releases the interpreter
    plain, is_whole = await asyncio.to_thread(inflated, content, encoding, LARGEST_MANIFEST_BYTES)
    return plain if is_whole else None


async def sha256_of(content: bytes) -> Digest:
    if len(content) > SMALL_BYTES:
        return await asyncio.to_thread(_sha256_of, content)  # so does hashlib
    return _sha256_of(content)


def _sha256_of(content: bytes) -> Digest:
    return Digest(f"sha256:{hashlib.sha256(content).hexdigest()}")
