"""The sender of a request, from its headers, without keeping credentials. Pure.

Nothing is verified here: a name is only believed after the upstream accepted the request.
"""

import binascii
import json
from base64 import b64decode, urlsafe_b64decode
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from sidecar.model.exchange import Client
from sidecar.proxy.headers import RawHeader, text_of, values_of
from sidecar.proxy.interface import Network

_LONGEST_TEXT: Final = 256
#: Token issuers put the user's name into one of these; `sub` is what registries themselves use.
_NAME_CLAIMS: Final = ("sub", "preferred_username", "name", "azp")
#: A request passed on by a proxy has one of these.
_OF_PROXIES: Final = (b"x-forwarded-for", b"forwarded", b"via", b"x-real-ip", b"x-forwarded-host")


def client_of(
    headers: Sequence[RawHeader], *, peer: str, trusted: tuple[Network, ...], connection: str = ""
) -> Client:
    return Client(
        address=client_address(headers, peer=peer, trusted=trusted),
        operator=operator_of(text_of(headers, b"authorization")),
        user_agent=_bounded(text_of(headers, b"user-agent")),
        connection=connection,
    )


def connection_of(headers: Sequence[RawHeader], peername: object) -> str:
    """Distinguishes the connections of one address: the port. "" behind a proxy, which shares connections.

    headers    as they arrived, before any of ours is added
    peername   of the socket; a tuple of address and port for TCP
    """
    if any(values_of(headers, name) for name in _OF_PROXIES):
        return ""
    return str(peername[1]) if isinstance(peername, tuple) and len(peername) > 1 else ""


def operator_of(authorization: str) -> str:
    """The user that an Authorization header names, "" for an anonymous or unreadable one."""
    scheme, _, credentials = authorization.strip().partition(" ")
    match scheme.lower():
        case "basic":
            return _bounded(_basic_user(credentials.strip()))
        case "bearer":
            return _bounded(_token_subject(credentials.strip()))
        case _:
            return ""


def client_address(headers: Sequence[RawHeader], *, peer: str, trusted: tuple[Network, ...]) -> str:
    """The nearest hop that is not a trusted proxy; the farthest hop when all are trusted.

    Hops are read from the right: only entries of trusted proxies are reliable.
    """
    address = _parse_address(peer)
    if address is None:
        return peer
    for hop in reversed(_forwarded_for(headers)):
        if not is_trusted(str(address), trusted):
            break
        parsed = _parse_address(hop)
        if parsed is None:
            break
        address = parsed
    return str(address)


@lru_cache(maxsize=4096)
def is_trusted(peer: str, trusted: tuple[Network, ...]) -> bool:
    address = _parse_address(peer)
    return address is not None and any(address in network for network in trusted)


def _forwarded_for(headers: Sequence[RawHeader]) -> list[str]:
    joined = b",".join(values_of(headers, b"x-forwarded-for")).decode("latin-1")
    return [hop.strip() for hop in joined.split(",") if hop.strip()]


@lru_cache(maxsize=4096)
def _parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """An address without the port that some proxies append."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def _basic_user(credentials: str) -> str:
    # containers/image sends an empty user with an empty password when it has no credentials.
    try:
        decoded = b64decode(credentials + "=" * (-len(credentials) % 4))
    except (binascii.Error, ValueError):
        return ""
    return decoded.partition(b":")[0].decode("utf-8", "replace")


def _token_subject(token: str) -> str:
    """The name in a JWT's claims; "" for an opaque token."""
    parts = token.split(".")
    if len(parts) != 3:
        return ""
    try:
        claims = json.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return ""
    if not isinstance(claims, dict):
        return ""
    names = (claims.get(claim) for claim in _NAME_CLAIMS)
    return next((name for name in names if isinstance(name, str) and name), "")


def _bounded(text: str) -> str:
    return text[:_LONGEST_TEXT]
