"""Subject, issuer and expiry of a TLS server's certificate.

For display only: OpenSSL decides whether a certificate is accepted. The standard library
returns the contents of verified certificates only, and people ask about those that fail.

Source: RFC 5280 4.1 (TBSCertificate), X.690 (DER).
"""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from ssl import SSLContext
from typing import Final

_NAMES: Final = {
    b"\x55\x04\x03": "CN",
    b"\x55\x04\x06": "C",
    b"\x55\x04\x07": "L",
    b"\x55\x04\x08": "ST",
    b"\x55\x04\x0a": "O",
    b"\x55\x04\x0b": "OU",
}
_VERSION: Final = 0xA0
_UTC_TIME: Final = 0x17
_BMP_STRING: Final = 0x1E


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    subject: str  #: such as CN=ci.example.com, O=Example; "" when it has only alternative names
    issuer: str
    expires_at: datetime


async def fetch_certificate(address: str, *, host: str, tls: SSLContext, timeout_s: float) -> bytes:
    """The certificate (DER) of a server, without verifying it; raises OSError.

    address    IP address and port that the egress rules allow
    """
    ip, _, port = address.rpartition(":")
    async with asyncio.timeout(timeout_s):
        _, writer = await asyncio.open_connection(ip.strip("[]"), int(port), ssl=tls, server_hostname=host)
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    return bytes(der or b"")


def parse_certificate(der: bytes) -> Certificate:
    """The contents of a DER certificate; raises ValueError."""
    try:
        certificate = next(_elements(der))[1]
        contents = list(_elements(next(_elements(certificate))[1]))
        if contents[0][0] == _VERSION:
            contents.pop(0)
        _, _, issuer, validity, subject, *_ = (content for _, content in contents)
        return Certificate(
            subject=_name(subject), issuer=_name(issuer), expires_at=_time(*list(_elements(validity))[1])
        )
    except (IndexError, StopIteration, ValueError) as exc:
        raise ValueError("not a certificate") from exc


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each element."""
    at = 0
    while at < len(der):
        tag, size, at = der[at], der[at + 1], at + 2
        if size & 0x80:
            length = size & 0x7F
            size, at = int.from_bytes(der[at : at + length], "big"), at + length
        yield tag, der[at : at + size]
        at += size


def _name(der: bytes) -> str:
    parts = []
    for _, relative in _elements(der):
        for _, attribute in _elements(relative):
            (_, oid), (tag, value) = _elements(attribute)
            if oid in _NAMES:
                text = value.decode("utf-16-be" if tag == _BMP_STRING else "utf-8", errors="replace")
                parts.append(f"{_NAMES[oid]}={text}")
    return ", ".join(parts)


def _time(tag: int, value: bytes) -> datetime:
    text = value.decode("ascii")
    if tag == _UTC_TIME:  # RFC 5280 4.1.2.5.1: 50 to 99 are of the last century
        text = f"{'19' if text[:2] >= '50' else '20'}{text}"
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
