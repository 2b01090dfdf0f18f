"""Where webhooks may go."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

IPNetwork = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressRules:
    """Where webhooks may go, beyond what is always refused.

    With an allow list set, what no list names is refused. Of several networks that hold an address the
    longest prefix decides, as in a routing table; a host on `allow_hosts` passes whatever the networks.
    """

    allow_cidrs: tuple[IPNetwork, ...] = ()
    deny_cidrs: tuple[IPNetwork, ...] = ()
    allow_hosts: tuple[str, ...] = ()  #: globs over the host of the target's address
    own_listeners: tuple[tuple[str, int], ...] = ()  #: address and port; "0.0.0.0" or "::" for all
