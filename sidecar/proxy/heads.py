"""Parses the head of a request. Pure.

It parses as Go's net/http, which registries and ChartMuseum use: heads that they serve are served, and those that
they refuse are refused here, with their status. docs/compatibility.md lists the differences and their reasons. An
error never quotes the request.
"""

import re
from typing import Final, NamedTuple

from aiohttp.http import HttpVersion, HttpVersion10, HttpVersion11

from sidecar.model.errors import SidecarError
from sidecar.proxy.headers import RawHeader

LARGEST_HEAD_BYTES: Final = 1024 * 1024 + 4096  #: as Go: DefaultMaxHeaderBytes, and its "slop"
LONGEST_LINE_BYTES: Final = 32 * 1024  #: of a request
MOST_HEADERS: Final = 4096

_END: Final = re.compile(rb"\n\r?\n")
_TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2
_TARGET: Final = re.compile(rb"/|https?://", re.IGNORECASE)
_VERSION: Final = re.compile(rb"HTTP/([0-9])\.([0-9])")
_CONTROLS: Final = bytes({*range(32), 127} - set(b"\t\n"))
_HOST: Final = re.compile(
    rb"[0-9A-Za-z!$%&()*+,.:;=\[\]'_~-]*"
)  # golang.org/x/net/http/httpguts ValidHostHeader
_LENGTH: Final = re.compile(rb"[0-9]{1,18}")
# Go treats # as part of the path or query, and accepts bytes beyond ASCII: equivalent to escaped ones.
_TO_ESCAPE: Final = re.compile(rb"[\x80-\xff#]")
#: Headers that decide how the request is parsed; all their values are collected.
_DECIDING: Final = frozenset({b"host", b"content-length", b"transfer-encoding", b"connection"})
_Deciding = dict[bytes, list[bytes]]
_OFTEN: Final = (
    b"Accept Accept-Encoding Accept-Language Authorization Cache-Control Content-Range Content-Type Cookie "
    b"Docker-Distribution-Api-Version Forwarded If-None-Match Origin Range Referer User-Agent X-Forwarded-For "
    b"X-Forwarded-Host X-Forwarded-Port X-Forwarded-Proto X-Meta-Source-Type X-Real-Ip X-Request-Id"
)
#: The most common spellings, which need no check.
_PLAIN: Final = frozenset({*_OFTEN.split(), *_OFTEN.lower().split()})


class HeadRefused(SidecarError):
    """A head that is refused."""

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


class Head(NamedTuple):
    """The contents of a request's head."""

    method: str
    target: str  #: of ASCII
    version: HttpVersion
    headers: tuple[RawHeader, ...]  #: in their order and spelling; equal Content-Lengths once
    length: int | None  #: of the body; None = not said
    is_chunked: bool
    keep_alive: bool


def end_of_head(received: bytes | bytearray, begin: int = 0) -> int:
    """The end of a head, of a request or response, with its empty line; -1 if it is incomplete."""
    found = _END.search(received, begin)
    return found.end() if found else -1


def parse_head(raw: bytes) -> Head:
    """Raises HeadRefused."""
    if len(raw) > LARGEST_HEAD_BYTES:
        raise too_large(raw)
    text = raw.replace(b"\r\n", b"\n")
    if text.count(b"\n") > MOST_HEADERS + 2:
        raise HeadRefused("too many headers", status=431)
    if len(text.translate(None, _CONTROLS)) < len(text):
        raise HeadRefused("a control character in the head")
    first, _, rest = text.partition(b"\n")
    method, target, version = _request_line(first)
    headers, deciding = _headers(rest)
    _check_host(deciding, version)
    length, is_chunked = _framing(deciding, version)
    if len(deciding.get(b"content-length", ())) > 1:
        headers = _with_one_length(headers)
    return Head(
        method=method,
        target=target,
        version=version,
        headers=tuple(headers),
        length=length,
        is_chunked=is_chunked,
        keep_alive=_keep_alive(deciding, version),
    )


def too_large(received: bytes | bytearray) -> HeadRefused:
    """The refusal of a head, or its beginning, that is too long."""
    if len(received) > LONGEST_LINE_BYTES and received.find(b"\n", 0, LONGEST_LINE_BYTES + 1) < 0:
        return HeadRefused("the request line is too long", status=414)
    return HeadRefused("the head of the request is too large", status=431)


def method_of(received: bytes | bytearray) -> str:
    """The method of a head that may be invalid: a response to HEAD has no body."""
    return "HEAD" if received.startswith(b"HEAD ") else "GET"


def path_of(received: bytes | bytearray) -> str:
    """The path of a head that may be invalid, which decides the form of the error. Without one, as registries do."""
    parts = bytes(received[:LONGEST_LINE_BYTES]).partition(b"\n")[0].split(b" ", 2)
    is_path = len(parts) > 1 and parts[1].startswith(b"/")
    return parts[1].decode("latin-1") if is_path else "/v2/"


def _request_line(line: bytes) -> tuple[str, str, HttpVersion]:
    if len(line) > LONGEST_LINE_BYTES:
        raise HeadRefused("the request line is too long", status=414)
    method, _, rest = line.partition(b" ")
    target, _, version = rest.partition(b" ")
    matched = _VERSION.fullmatch(version)
    if not matched or not target or not _TOKEN.fullmatch(method):
        raise HeadRefused("the request line is malformed")
    if matched[1] != b"1":
        raise HeadRefused("only HTTP/1.0 and HTTP/1.1 are spoken here", status=505)
    if method == b"CONNECT":
        raise HeadRefused("no tunnels are made here", status=405)
    if not _TARGET.match(target):
        raise HeadRefused("the request target is not supported")
    escaped = _TO_ESCAPE.sub(lambda found: b"%%%02X" % found[0][0], target)
    return method.decode(), escaped.decode(), HttpVersion10 if matched[2] == b"0" else HttpVersion11


def _headers(text: bytes) -> tuple[list[RawHeader], _Deciding]:
    headers: list[RawHeader] = []
    deciding: _Deciding = {}
    for line in text.split(b"\n"):
        if not line:
            break
        if line[0] in b" \t":
            _fold(headers, deciding, line)
            continue
        name, colon, value = line.partition(b":")
        value = value.strip(b" \t")
        headers.append((name, value))
        if name in _PLAIN and colon:  # most of them
            continue
        if not colon or not _TOKEN.fullmatch(name):
            raise HeadRefused("a header is malformed")
        if (lower := name.lower()) in _DECIDING:
            deciding.setdefault(lower, []).append(value)
    return headers, deciding


def _fold(headers: list[RawHeader], deciding: _Deciding, line: bytes) -> None:
    """A continuation line of a folded header (RFC 9112 5.2)."""
    if not headers:
        raise HeadRefused("a header is malformed")
    name, value = headers[-1]
    whole = b" ".join(filter(None, (value, line.strip(b" \t"))))
    headers[-1] = (name, whole)
    if values := deciding.get(name.lower()):
        values[-1] = whole


def _check_host(deciding: _Deciding, version: HttpVersion) -> None:
    hosts = deciding.get(b"host", [])
    if len(hosts) > 1:
        raise HeadRefused("more than one Host")
    if not hosts and version >= HttpVersion11:
        raise HeadRefused("Host is missing")
    if hosts and not _HOST.fullmatch(hosts[0]):
        raise HeadRefused("Host is malformed")


def _framing(deciding: _Deciding, version: HttpVersion) -> tuple[int | None, bool]:
    """The length of the body, and whether it is chunked."""
    lengths, codings = deciding.get(b"content-length"), deciding.get(b"transfer-encoding")
    if codings:
        if lengths or version < HttpVersion11:  # Go ignores one of them; proxies differ
            raise HeadRefused("the length of the body is said in two ways")
        if len(codings) > 1 or codings[0].lower() != b"chunked":
            raise HeadRefused("no transfer coding but chunked", status=501)
        return None, True
    if not lengths:
        return None, False
    if len(set(lengths)) > 1 or not _LENGTH.fullmatch(lengths[0]):
        raise HeadRefused("Content-Length is malformed")
    return int(lengths[0]), False


def _with_one_length(headers: list[RawHeader]) -> list[RawHeader]:
    where = [at for at, (name, _) in enumerate(headers) if name.lower() == b"content-length"]
    return [header for at, header in enumerate(headers) if at not in where[1:]]


def _keep_alive(deciding: _Deciding, version: HttpVersion) -> bool:
    tokens = {
        token.strip().lower() for value in deciding.get(b"connection", []) for token in value.split(b",")
    }
    return b"close" not in tokens and (version >= HttpVersion11 or b"keep-alive" in tokens)
