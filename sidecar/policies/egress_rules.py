"""Where webhooks may go."""

from dataclasses import dataclass, field
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
    #: Address and port; "0.0.0.0" or "::" for all. They are told with the listeners' own keys, where they change.
    own_listeners: tuple[tuple[str, int], ...] = field(default=(), compare=False)
