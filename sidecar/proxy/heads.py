"""A request's head, from bytes to what it says. Pure.

Reads as Go's net/http does, which registries and ChartMuseum are made with: what they serve is served, what
they refuse is refused here, with their status. What differs, and why, stands in docs/compatibility.md. An
error never repeats anything of the request.
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
# Go takes # for a part of the path or query, and bytes beyond ASCII as they are: the same when escaped.
_TO_ESCAPE: Final = re.compile(rb"[\x80-\xff#]")
#: What decides how a request is read, with all its values.
_TELLING: Final = frozenset({b"host", b"content-length", b"transfer-encoding", b"connection"})
_Told = dict[bytes, list[bytes]]
_OFTEN: Final = (
    b"Accept Accept-Encoding Accept-Language Authorization Cache-Control Content-Range Content-Type Cookie "
    b"Docker-Distribution-Api-Version Forwarded If-None-Match Origin Range Referer User-Agent X-Forwarded-For "
    b"X-Forwarded-Host X-Forwarded-Port X-Forwarded-Proto X-Meta-Source-Type X-Real-Ip X-Request-Id"
)
#: Names that need no look, as they are written most.
_PLAIN: Final = frozenset({*_OFTEN.split(), *_OFTEN.lower().split()})


class HeadRefused(SidecarError):
    """A head that is not served."""

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


class Head(NamedTuple):
    """What the head of a request says."""

    method: str
    target: str  #: of ASCII
    version: HttpVersion
    headers: tuple[RawHeader, ...]  #: in their order and spelling; of equal lengths one
    length: int | None  #: of the body; None = not said
    is_chunked: bool
    keep_alive: bool


def end_of_head(received: bytes | bytearray, begin: int = 0) -> int:
    """Where a head, of a request or an answer, ends, its empty line included; -1 when that is still to come."""
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
    headers, told = _headers(rest)
    _check_host(told, version)
    length, is_chunked = _framing(told, version)
    if len(told.get(b"content-length", ())) > 1:
        headers = _with_one_length(headers)
    return Head(
        method=method,
        target=target,
        version=version,
        headers=tuple(headers),
        length=length,
        is_chunked=is_chunked,
        keep_alive=_keep_alive(told, version),
    )


def too_large(received: bytes | bytearray) -> HeadRefused:
    """Of a head, or its beginning, that is longer than is read."""
    if len(received) > LONGEST_LINE_BYTES and received.find(b"\n", 0, LONGEST_LINE_BYTES + 1) < 0:
        return HeadRefused("the request line is too long", status=414)
    return HeadRefused("the head of the request is too large", status=431)


def method_of(received: bytes | bytearray) -> str:
    """The method of a head that may be refused: an answer to HEAD has no body."""
    return "HEAD" if received.startswith(b"HEAD ") else "GET"


def path_of(received: bytes | bytearray) -> str:
    """The path of a head that may be refused: it says in which form. Without one, as registries do."""
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


def _headers(text: bytes) -> tuple[list[RawHeader], _Told]:
    headers: list[RawHeader] = []
    told: _Told = {}
    for line in text.split(b"\n"):
        if not line:
            break
        if line[0] in b" \t":
            _fold(headers, told, line)
            continue
        name, colon, value = line.partition(b":")
        value = value.strip(b" \t")
        headers.append((name, value))
        if name in _PLAIN and colon:  # most of them
            continue
        if not colon or not _TOKEN.fullmatch(name):
            raise HeadRefused("a header is malformed")
        if (lower := name.lower()) in _TELLING:
            told.setdefault(lower, []).append(value)
    return headers, told


def _fold(headers: list[RawHeader], told: _Told, line: bytes) -> None:
    """A line that goes on with the value before it (RFC 9112 5.2)."""
    if not headers:
        raise HeadRefused("a header is malformed")
    name, value = headers[-1]
    whole = b" ".join(filter(None, (value, line.strip(b" \t"))))
    headers[-1] = (name, whole)
    if values := told.get(name.lower()):
        values[-1] = whole


def _check_host(told: _Told, version: HttpVersion) -> None:
    hosts = told.get(b"host", [])
    if len(hosts) > 1:
        raise HeadRefused("more than one Host")
    if not hosts and version >= HttpVersion11:
        raise HeadRefused("Host is missing")
    if hosts and not _HOST.fullmatch(hosts[0]):
        raise HeadRefused("Host is malformed")


def _framing(told: _Told, version: HttpVersion) -> tuple[int | None, bool]:
    """The length of the body, or that it is chunked."""
    lengths, codings = told.get(b"content-length"), told.get(b"transfer-encoding")
    if codings:
        if lengths or version < HttpVersion11:  # Go takes the one and forgets the other; proxies differ
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


def _keep_alive(told: _Told, version: HttpVersion) -> bool:
    tokens = {token.strip().lower() for value in told.get(b"connection", []) for token in value.split(b",")}
    return b"close" not in tokens and (version >= HttpVersion11 or b"keep-alive" in tokens)
