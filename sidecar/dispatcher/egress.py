"""The egress guard: which addresses webhooks may be sent to.

Checked on the address actually dialled, after names are resolved, when the socket is made: no spelling
of an address and no changing DNS answer gets round it. Link-local and metadata services, unspecified
and multicast addresses and the sidecar's own listeners are refused whatever the rules say.

Sources: OWASP SSRF prevention cheat sheet; GHSA-33p6-fx42-7rf5 (Harbor's test endpoint).
"""

import re
import socket
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final

from sidecar.policies.egress_rules import EgressRules, IPNetwork

IPAddress = IPv4Address | IPv6Address

#: Services that hand out credentials to whoever asks on a machine; most are link-local as well.
_METADATA: Final = tuple(
    ip_network(text)
    for text in (
        "169.254.169.254/32",  # most clouds
        "fd00:ec2::/32",  # AWS: metadata, time, DNS, credentials of pods
        "fd20:ce::254/128",  # Google
        "100.100.100.200/32",  # Alibaba
        "168.63.129.16/32",  # Azure
        "192.0.0.192/32",  # Oracle
        "fd00:c1::a9fe:a9fe/128",  # Oracle
        "fd00:42::42/128",  # Scaleway
        "fd00:a9fe:a9fe::/48",  # Linode
    )
)
#: Their last 32 bits are an IPv4 address: NAT64 (RFC 6052, 8215), translated (RFC 2765).
_TRANSLATED: Final = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"), ip_network("::ffff:0:0:0/96"))
#: Of local translators, which may have a prefix of another length and the address elsewhere.
_LOCALLY_TRANSLATED: Final = _TRANSLATED[1]
_ISATAP: Final = frozenset({0x0000_5EFE, 0x0200_5EFE})
_COMPATIBLE: Final = ip_network("::/96")
_THIS_NETWORK: Final = ip_network("0.0.0.0/8")
_BROADCAST: Final = ip_address("255.255.255.255")


@dataclass(slots=True)
class Dial:
    """What happened while one attempt connected."""

    host: str = ""  #: of the target, as its address names it
    address: str = ""  #: last address dialled, or the other end of the connection that was reused
    refused: str = ""  #: why the guard refused an address
    tls: ssl.SSLObject | None = None  #: of the connection; None for plain http


class AddressRefused(OSError):
    """The guard does not allow this address."""


@dataclass(slots=True)
class Guard:
    """Makes the sockets that webhooks are sent through; `rules` may be replaced at any time."""

    rules: EgressRules = field(default_factory=EgressRules)

    def open_socket(
        self,
        dial: Dial,
        address_info: tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, Any],
    ) -> socket.socket:
        """The socket for one address (as socket.getaddrinfo has it); raises AddressRefused."""
        family, kind, protocol, _, (ip, port, *_) = address_info
        dial.address = format_address(ip, port)
        if reason := refusal(ip_address(ip), port, host=dial.host, rules=self.rules):
            dial.refused = f"address {dial.address} is not allowed: {reason}"
            raise AddressRefused(dial.refused)
        return socket.socket(family, kind, protocol)

    def check_named(self, dial: Dial, port: int) -> None:
        """Of a target behind a proxy only an address that its URL spells; raises AddressRefused."""
        address = literal_address(dial.host)
        if address and (reason := refusal(address, port, host=dial.host, rules=self.rules)):
            dial.refused = f"address {format_address(str(address), port)} is not allowed: {reason}"
            raise AddressRefused(dial.refused)


def format_address(ip: str, port: int) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def refusal(address: IPAddress, port: int, *, host: str, rules: EgressRules) -> str:
    """Why an address is not dialled; empty when it may be."""
    if reason := always_refused(address):
        return reason
    forms = tuple(_forms(address))
    if any(_is_own_listener(form, port, rules.own_listeners) for form in forms):
        return "the sidecar's own listener"
    if _is_allowed_host(host, rules.allow_hosts):
        return ""
    return _first(_refused_by_lists(form, rules) for form in forms)


def always_refused(address: IPAddress) -> str:
    """Why an address is refused whatever the rules say; empty when they decide."""
    # In an unusual form what is not meant as an IPv4 address may look like any: 0.0.0.0 says nothing.
    unusual = map(_metadata_or_link_local, _unusual_forms(address))
    return _first(map(_forbidden, _forms(address))) or _first(unusual)


def _first(reasons: Iterable[str]) -> str:
    return next(filter(None, reasons), "")


def _forbidden(address: IPAddress) -> str:
    if reason := _metadata_or_link_local(address):
        return reason
    if address.is_unspecified or address in _THIS_NETWORK:
        return "unspecified"
    if address.is_multicast or address == _BROADCAST:
        return "multicast"
    return ""


def _metadata_or_link_local(address: IPAddress) -> str:
    if any(address in network for network in _METADATA):
        return "cloud metadata service"
    return "link-local" if address.is_link_local else ""


def _forms(address: IPAddress) -> Iterable[IPAddress]:
    """An address and the IPv4 address that it carries; for a mapped one that alone."""
    if isinstance(address, IPv4Address):
        yield address
        return
    address = IPv6Address(int(address))  # without its zone
    if address.ipv4_mapped:
        yield address.ipv4_mapped
        return
    yield address
    if address.sixtofour:
        yield address.sixtofour
    if any(address in network for network in _TRANSLATED) or (address in _COMPATIBLE and int(address) > 1):
        yield IPv4Address(int(address) & 0xFFFF_FFFF)


def _unusual_forms(address: IPAddress) -> Iterable[IPAddress]:
    """IPv4 addresses that an IPv6 address carries where few networks put them.

    Sources: RFC 6052 2.2 (prefixes of 48, 56 and 64 bits), RFC 4380 4 (Teredo), RFC 5214 6.1 (ISATAP).
    """
    if isinstance(address, IPv4Address):
        return
    bits = int(address)
    if address in _LOCALLY_TRANSLATED:
        yield IPv4Address((bits >> 64 & 0xFFFF) << 16 | bits >> 40 & 0xFFFF)
        yield IPv4Address((bits >> 64 & 0xFF) << 24 | bits >> 32 & 0xFF_FFFF)
        yield IPv4Address(bits >> 24 & 0xFFFF_FFFF)
    if address.teredo:
        yield from address.teredo
    if bits >> 32 & 0xFFFF_FFFF in _ISATAP:
        yield IPv4Address(bits & 0xFFFF_FFFF)


def _is_own_listener(address: IPAddress, port: int, listeners: Iterable[tuple[str, int]]) -> bool:
    return any(port == own_port and _reaches(address, ip) for ip, own_port in listeners)


def _reaches(address: IPAddress, listening_on: str) -> bool:
    try:
        own = ip_address(listening_on or "0.0.0.0")  # noqa: S104 - compared with, not bound to
    except ValueError:  # a name: treated as every address of this machine
        return is_local(address)
    return is_local(address) if own.is_unspecified else address in _forms(own)


def is_local(address: IPAddress) -> bool:
    """Whether an address is this machine's: the kernel lets a socket be bound to it."""
    if address.is_loopback:
        return True
    family = socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError:
            return False
    return True


def _is_allowed_host(host: str, globs: Iterable[str]) -> bool:
    name = host.rstrip(".").lower()
    return any(fnmatchcase(name, glob.rstrip(".").lower()) for glob in globs)


def _refused_by_lists(address: IPAddress, rules: EgressRules) -> str:
    allowed = _longest_prefix(address, rules.allow_cidrs)
    if _longest_prefix(address, rules.deny_cidrs) >= max(allowed, 0):
        return "on the deny list"
    if allowed < 0 and (rules.allow_cidrs or rules.allow_hosts):
        return "not on the allow list"
    return ""


def _longest_prefix(address: IPAddress, networks: Iterable[IPNetwork]) -> int:
    """The length of the longest prefix that holds an address, -1 when none does."""
    return max((network.prefixlen for network in networks if address in network), default=-1)


_Lookup = Callable[[str], IPAddress | None]
_NUMERIC: Final = re.compile(r"[0-9a-fA-FxX.]+")


@lru_cache(maxsize=4096)
def literal_address(host: str) -> IPAddress | None:
    """The address that a host part spells, in any form that resolvers take; None for a name.

    Decimal, octal, hexadecimal and short forms: inet_aton(3).
    """
    host = host.strip("[]").rstrip(".")
    try:
        return ip_address(host)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host)) if _NUMERIC.fullmatch(host) else None
    except OSError:
        return None
