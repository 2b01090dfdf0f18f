"""Which headers are passed on, and which are changed. Pure.

Headers are pairs of bytes as on the wire: repeated ones stay repeated, in their order, in
their spelling. Sources: RFC 9110 7.6.1 (hop-by-hop), RFC 9112 6 (framing); for X-Forwarded-* and
Location: distribution registry/api/v2/urls.go, which builds absolute locations from them.
"""

from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

RawHeader = tuple[bytes, bytes]

_HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
# Naming one of these in Connection must not remove it: routing and framing depend on them.
_NEVER_DROPPED: Final = frozenset({b"host", b"content-length"})
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def values_of(headers: Iterable[RawHeader], name: bytes) -> list[bytes]:
    """All values of a header, in order; `name` in lower case."""
    return [value for key, value in headers if key.lower() == name]


def text_of(headers: Iterable[RawHeader], name: bytes) -> str:
    """The first value of a header, "" when there is none."""
    return next((value.decode("latin-1") for key, value in headers if key.lower() == name), "")


def end_to_end(headers: Iterable[RawHeader]) -> list[RawHeader]:
    """Headers without those that are about one connection only."""
    pairs = list(headers)
    named = {
        token.strip().lower() for value in values_of(pairs, b"connection") for token in value.split(b",")
    } - _NEVER_DROPPED
    dropped = _HOP_BY_HOP | named
    return [(key, value) for key, value in pairs if key.lower() not in dropped]


def with_forwarded(
    headers: list[RawHeader], *, peer: str, scheme: str, peer_is_trusted: bool
) -> list[RawHeader]:
    """Headers with X-Forwarded-For, -Proto and -Host.

    Values from a trusted outer proxy are kept: the registry must build its locations with the
    scheme that the client used. Values from anybody else are replaced.
    """
    ours = (
        (b"X-Forwarded-For", peer.encode()),
        (b"X-Forwarded-Proto", scheme.encode()),
        (b"X-Forwarded-Host", b"".join(values_of(headers, b"host")[:1])),
    )
    for name, value in ours:
        present = bool(values_of(headers, name.lower()))
        if present and peer_is_trusted:
            continue
        headers = [pair for pair in headers if pair[0].lower() != name.lower()]
        if value:
            headers.append((name, value))
    return headers


def with_host(headers: list[RawHeader], host: bytes) -> list[RawHeader]:
    """Headers whose Host is the authority of an absolute-form target (RFC 9112 3.2.2)."""
    return [(b"Host", host), *(pair for pair in headers if pair[0].lower() != b"host")]


def with_own_location(headers: list[RawHeader], upstream_url: str) -> list[RawHeader]:
    """Headers with a Location that does not bypass the sidecar."""
    return [
        (key, relative_location(value, upstream_url) if key.lower() == b"location" else value)
        for key, value in headers
    ]


def relative_location(location: bytes, upstream_url: str) -> bytes:
    """A Location that names the upstream's own address without that address; any other unchanged.

    A foreign host (a redirect to a storage service, whose URL is signed) must stay byte for byte.
    """
    text = location.decode("latin-1")
    if text.startswith("//"):
        text = f"http:{text}"
    authority = _authority(text)
    if authority is None or authority != _authority(upstream_url):
        return location
    _, _, after_scheme = text.partition("://")
    cut = min((at for at in map(after_scheme.find, "/?#") if at >= 0), default=len(after_scheme))
    rest = after_scheme[cut:]
    if not rest.startswith("/"):
        rest = f"/{rest}"
    if rest.startswith("//"):  # would be read as another host
        rest = f"/.{rest}"
    return rest.encode("latin-1")


def _authority(url: str) -> tuple[str, int] | None:
    """Host and port of an absolute URL; the scheme is left out, an outer proxy may have changed it."""
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme.lower())
    except ValueError:
        return None
    if not parts.hostname or port is None:
        return None
    return parts.hostname.lower(), port
