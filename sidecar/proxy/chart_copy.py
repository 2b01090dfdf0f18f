"""A chart upload while it is relayed: counted, hashed, and copied as far as memory allows.

It is not parsed before the upstream has accepted it. Until then only hashes are kept, by
which the chart is found after a crash: of the whole body, or of each part of a form. Parts are found
by a search for the boundary, in time proportional to the length of the body.
"""

import hashlib
import time
from collections.abc import Iterator
from typing import Final

from sidecar.charts.form import boundary_of, is_form
from sidecar.model.names import Digest
from sidecar.proxy.budget import Share
from sidecar.proxy.relay import BodyCopy

#: ChartMuseum's own default for --max-upload-size.
LARGEST_CHART_BYTES: Final = 20 * 1024 * 1024
_MOST_PARTS: Final = 100
_LONGEST_CONTENT_TYPE: Final = 4096
_LONGEST_HEAD_BYTES: Final = 64 * 1024
_WINDOW_BYTES: Final = 64 * 1024  # a search in C blocks the event loop until it ends


class ChartCopy:
    """The bytes of one upload."""

    def __init__(self, share: Share, content_type: str) -> None:
        self.size_bytes = 0
        self.is_form = is_form(content_type)
        self._boundary = b""
        if self.is_form and len(content_type) <= _LONGEST_CONTENT_TYPE:
            self._boundary = boundary_of(content_type)
        self._sha256 = hashlib.sha256()
        self._copy = BodyCopy(LARGEST_CHART_BYTES, share)

    def feed(self, piece: bytes) -> None:
        self.size_bytes += len(piece)
        self._copy.feed(piece)
        if not self.is_form:
            self._sha256.update(piece)  # half a millisecond for the largest piece

    @property
    def content(self) -> bytearray | None:
        """The whole upload, None when it was too large, or there was no memory."""
        return self._copy.buffer

    def sizes_by_digest(self) -> dict[Digest, int]:
        """Possible charts, by their sha256; takes some 50 ms for a form of 10 MiB, so not on the event loop."""
        if not self.is_form:
            return {_digest(self._sha256.hexdigest()): self.size_bytes}
        body = self.content if self._boundary else None
        if body is None:
            return {}
        view = memoryview(body)
        parts = (view[start:end] for start, end in _contents(body, self._boundary))
        return {_digest(hashlib.sha256(part).hexdigest()): len(part) for part in parts}


def _digest(hexadecimal: str) -> Digest:
    return Digest(f"sha256:{hexadecimal}")


def _contents(body: bytearray, boundary: bytes) -> Iterator[tuple[int, int]]:
    """Where each part's content begins and ends."""
    dashes = b"--" + boundary
    at = _find(body, dashes, 0)
    line_end = body.find(b"\n", at, at + _LONGEST_HEAD_BYTES)
    if at < 0 or line_end < 0:
        return
    separator = (b"\r\n" if body[line_end - 1 : line_end] == b"\r" else b"\n") + dashes
    for _ in range(_MOST_PARTS):
        following = _find(body, separator, at + 1)
        if following < 0:
            return
        start = _end_of_head(body, at, following)
        if 0 <= start <= following:
            yield start, following
        at = following


def _end_of_head(body: bytearray, at: int, following: int) -> int:
    """The start of the content, after the first empty line; -1 when there is none."""
    limit = min(at + _LONGEST_HEAD_BYTES, following + 3)
    ends = (
        body.find(blank, at, limit) + len(blank) for blank in (b"\n\r\n", b"\n\n") if blank in body[at:limit]
    )
    return min(ends, default=-1)


def _find(body: bytearray, needle: bytes, start: int) -> int:
    """As bytes.find, in steps of a fraction of a millisecond, between which the event loop runs."""
    for at in range(start, len(body), _WINDOW_BYTES):
        time.sleep(0)
        found = body.find(needle, at, at + _WINDOW_BYTES + len(needle) - 1)
        if found >= 0:
            return found
    return -1
