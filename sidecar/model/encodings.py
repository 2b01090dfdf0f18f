"""Decodes content-encodings, up to a given size."""

import zlib
from contextlib import suppress
from typing import Final

#: How zlib reads a content-encoding: `deflate` is written with a header of zlib's, or without.
_WINDOWS: Final = {"gzip": (31,), "x-gzip": (31,), "deflate": (15, -15)}


def is_plain(encoding: str) -> bool:
    """Whether a content-encoding, in lower case, changes nothing."""
    return encoding in {"", "identity"}


def decoded_opening(content: bytes, encoding: str, limit_bytes: int) -> bytes:
    """The decoded beginning of a body, up to a limit; b"" for an unknown encoding."""
    if is_plain(encoding):
        return content[:limit_bytes]
    return inflated(content, encoding, limit_bytes)[0] if encoding in _WINDOWS else b""


def inflated(content: bytes, encoding: str, limit_bytes: int) -> tuple[bytes, bool]:
    """The decoded part of a body in gzip or deflate, up to a limit, and whether that is all of it."""
    for window in _WINDOWS[encoding]:
        inflater = zlib.decompressobj(window)
        with suppress(zlib.error):
            return inflater.decompress(content, limit_bytes), inflater.eof
    return b"", False
