"""The head of an answer that is not quite HTTP: its status, and of its headers what matters here.

Receivers are written by hand, in shells and on microcontrollers. curl and Go's client, which Harbor sends
with, take an answer at its status line, whatever is odd behind it; a receiver that said 200 has the event,
and sending it again is wrong. Pure; the connection such an answer came on is never used again.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

# What curl or Go's client reads as one: the former takes small letters and HTTP/2, the latter any digits.
_STATUS_LINE: Final = re.compile(rb"HTTP/(?:[0-9]\.[0-9]|[23]) +([1-9][0-9]{2})(?![0-9])", re.IGNORECASE)
_BEGINNING: Final = b"HTTP/"
_EMPTY_LINE: Final = re.compile(rb"\n\r*\n")
_LONGEST_LINE_END: Final = 8
_SHORT: Final = 1024  # of which reading costs next to nothing
_SWITCHING_PROTOCOLS: Final = 101
_LONGEST_LENGTH: Final = 18  # digits; a longer number is none
_UNPRINTABLE: Final = re.compile(rb"[^ -~]")


@dataclass(frozen=True, slots=True, kw_only=True)
class OddHead:
    """What could be read of the head of a final answer."""

    begins: bytes  #: what came from its first byte on; interim answers before it need not be read again
    status: int = 0  #: 0 as long as there is no whole status line
    headers: tuple[tuple[bytes, bytes], ...] = ()  #: names in small letters
    rest: bytes | None = None  #: what came behind it; None as long as it has not ended
    is_hopeless: bool = False  #: no more bytes can make an answer of it

    def named(self, name: bytes) -> list[bytes]:
        return [value for found, value in self.headers if found == name]


def read_head(raw: bytes) -> OddHead:
    """The head that these bytes begin with; whole interim answers (1xx) before it are passed over."""
    while True:
        raw = raw.lstrip(b"\r\n")
        line, line_end, after = raw.partition(b"\n")
        found = _STATUS_LINE.match(line) if line_end else None
        if not found:
            return OddHead(begins=raw, is_hopeless=bool(line_end) or not _may_be_status_line(line))
        lines, rest = _split(after)
        status = int(found[1])
        if status >= 200 or status == _SWITCHING_PROTOCOLS:
            return OddHead(begins=raw, status=status, headers=tuple(_headers(lines)), rest=rest)
        if rest is None:
            return OddHead(begins=raw)
        raw = rest


def may_have_ended(raw: bytes, newest: int) -> bool:
    """Whether it is worth reading again: hostile heads may come byte by byte.

    newest  how many of the bytes have come since it was last read
    """
    return b"\n" in raw[-newest:] and (
        len(raw) < _SHORT or bool(_EMPTY_LINE.search(raw, max(len(raw) - newest - _LONGEST_LINE_END, 0)))
    )


def _may_be_status_line(line: bytes) -> bool:
    beginning = line.upper()
    return _BEGINNING.startswith(beginning) or beginning.startswith(_BEGINNING)


def rewritten(head: OddHead) -> bytes:
    """The same head as it should have been, for a strict parser: status, framing and what is read of it."""
    lines = [b"HTTP/1.1 %d odd" % head.status, b"connection: close", *_framing(head)]
    for name in (b"retry-after", b"content-encoding"):
        lines += (b"%s: %s" % (name, _UNPRINTABLE.sub(b"", value)) for value in head.named(name))
    return b"\r\n".join([*lines, b"", b""])


def _split(after: bytes) -> tuple[list[bytes], bytes | None]:
    """The whole lines up to an empty one, and what follows it."""
    lines: list[bytes] = []
    while (piece := after.partition(b"\n"))[1]:
        line, _, after = piece
        if not line.strip(b"\r"):
            return lines, after
        lines.append(line.rstrip(b"\r"))
    return lines, None


def _headers(lines: list[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Folded ones are joined; a line that is no header says nothing."""
    name, value = b"", b""
    for line in lines:
        if line[:1] in {b" ", b"\t"}:
            value += b" " + line.strip()
            continue
        if name:
            yield name, value.strip()
        name, _, value = line.partition(b":")
        name = name.strip().lower()
    if name:
        yield name, value.strip()


def _framing(head: OddHead) -> Iterator[bytes]:
    """How the body ends. Of two that contradict each other the chunks (RFC 9112 6.3), or the shortest length.

    With a length that is no number, with what has come already: waiting for more would be waiting for ever.
    """
    if any(value.lower().endswith(b"chunked") for value in head.named(b"transfer-encoding")):
        yield b"transfer-encoding: chunked"
        return
    lengths = [part.strip() for value in head.named(b"content-length") for part in value.split(b",")]
    if lengths:
        usable = all(length.isdigit() and len(length) <= _LONGEST_LENGTH for length in lengths)
        yield b"content-length: %d" % (min(map(int, lengths)) if usable else len(head.rest or b""))
