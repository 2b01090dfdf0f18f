"""Normalises the head of an upstream's response for the parser. Pure.

Parses as curl and Go's net/http do (net/textproto ReadMIMEHeader, net/http transfer.go): a repeated length
is one length, a chunked response has none, lines may be folded or end in a bare LF.
"""

import re
from typing import Final

_STATUS: Final = re.compile(rb"HTTP/[0-9]\.[0-9] +([0-9]{3})(?: |\r|\n)")
_FOLDED: Final = re.compile(rb"[ \t]*\r?\n[ \t]+")
_SUSPECT: Final = re.compile(rb"\r?\n(?:[ \t]|[^:\r\n]*[ \t]:)|[^\r]\n|\ncontent-length *:", re.IGNORECASE)


def status_of(head: bytes) -> int:
    """The status of a head, 0 when it has none."""
    found = _STATUS.match(head)
    return int(found[1]) if found else 0


def normalized(head: bytes) -> bytes:
    """A complete head in the form of RFC 9112; errors that cannot be corrected are left for the parser to refuse."""
    if not _SUSPECT.search(head):
        return head
    first, *lines = _FOLDED.sub(b" ", head.rstrip(b"\r\n")).replace(b"\r\n", b"\n").split(b"\n")
    headers = [_pair(line) for line in lines]
    return b"\r\n".join([first, *(name + colon + value for name, colon, value in _framed(headers)), b"", b""])


_Line = tuple[bytes, bytes, bytes]  #: name, separator, value


def _pair(line: bytes) -> _Line:
    name, colon, value = line.partition(b":")
    return (name.rstrip(b" \t"), b": ", value.strip(b" \t")) if colon else (line, b"", b"")


def _framed(headers: list[_Line]) -> list[_Line]:
    """Headers with one length, or none beside chunks (RFC 9112 6.3); lengths that differ stay."""
    names = [name.lower() for name, _, _ in headers]
    lengths = [
        value for lower, (_, _, value) in zip(names, headers, strict=True) if lower == b"content-length"
    ]
    codings = [
        value for lower, (_, _, value) in zip(names, headers, strict=True) if lower == b"transfer-encoding"
    ]
    if codings and codings[-1].lower().endswith(b"chunked"):
        wanted = 0
    elif len(set(lengths)) == 1:
        wanted = 1
    else:
        return headers
    seen = 0
    result: list[_Line] = []
    for lower, line in zip(names, headers, strict=True):
        if lower == b"content-length":
            seen += 1
            if seen > wanted:
                continue
        result.append(line)
    return result
