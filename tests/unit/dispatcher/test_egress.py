"""Which addresses are refused, in every form they can take."""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.dispatcher.egress import (
    AddressRefused,
    Dial,
    Guard,
    is_local,
    literal_address,
    refusal,
)
from sidecar.policies.egress_rules import EgressRules

FORBIDDEN = [
    "169.254.169.254",
    "169.254.0.1",
    "::ffff:169.254.169.254",
    "::169.254.169.254",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::169.254.169.254",
    "::ffff:0:169.254.169.254",
    "2002:a9fe:a9fe::1",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd20:ce::254",
    "100.100.100.200",
    "168.63.129.16",
    "fd00:ec2::1",
    "fd00:ec2:ffff::123",
    "192.0.0.192",
    "fd00:c1::a9fe:a9fe",
    "fd00:42::42",
    "fd00:a9fe:a9fe::1",
    "::ffff:192.0.0.192",
    "::100.100.100.200",
    "64:ff9b::168.63.129.16",
    "2002:6464:64c8::",
    "64:ff9b:1:a9fe:a9:fe00::",
    "64:ff9b:1:12a9:fe:a9fe::",
    "64:ff9b:1:1234:a9:fea9:fe00:0",
    "2001:0:a9fe:a9fe::1",
    "2001:0:102:304:0:0:5601:5601",
    "2001:db8::5efe:169.254.169.254",
    "2001:db8::200:5efe:169.254.169.254",
    "fe80::1",
    "fe80::1%1",
    "0.0.0.0",
    "0.1.2.3",
    "::",
    "::ffff:0.0.0.0",
    "224.0.0.1",
    "239.255.255.255",
    "255.255.255.255",
    "ff02::1",
]
ORDINARY = [
    "127.0.0.1",
    "::1",
    "10.1.2.3",
    "192.168.1.1",
    "172.16.0.1",
    "100.64.0.1",
    "8.8.8.8",
    "2001:db8::1",
    "192.0.0.191",
    "100.100.100.201",
    "fd00:ec1::254",
    "fd00:ec3::",
    "fd00:c1::1",
    "fd00:42::43",
    "fd12:3456::1",
    "64:ff9b:1::8.8.8.8",
    "2001:db8::5efe:8.8.8.8",
]
EVERYTHING = EgressRules(allow_cidrs=(ip_network("0.0.0.0/0"), ip_network("::/0")), allow_hosts=("*",))


def refused(
    address: str, rules: EgressRules | None = None, *, port: int = 443, host: str = "ci.example"
) -> str:
    return refusal(ip_address(address), port, host=host, rules=rules or EgressRules())


@pytest.mark.parametrize("address", FORBIDDEN)
def test_forbidden_addresses_are_refused_whatever_is_allowed(address: str) -> None:
    assert refused(address)
    assert refused(address, EVERYTHING)


@pytest.mark.parametrize("address", ORDINARY)
def test_private_and_loopback_addresses_are_allowed_by_default(address: str) -> None:
    assert refused(address) == ""


@given(st.ip_addresses(v=4))
def test_a_mapped_address_is_judged_as_the_one_it_carries(address: IPv4Address) -> None:
    rules = EgressRules(deny_cidrs=(ip_network("10.0.0.0/8"), ip_network("192.168.0.0/16")))
    mapped = f"::ffff:{address}"
    assert refused(mapped, rules) == refused(str(address), rules)


@given(st.ip_addresses(v=6))
def test_every_address_is_judged_without_an_error(address: IPv6Address) -> None:
    assert isinstance(refused(str(address), EVERYTHING), str)


def test_longest_prefix_decides_between_allowed_and_denied() -> None:
    rules = EgressRules(
        allow_cidrs=(ip_network("0.0.0.0/0"), ip_network("10.1.0.0/16")),
        deny_cidrs=(ip_network("10.0.0.0/8"), ip_network("10.1.9.0/24")),
    )
    assert not refused("8.8.8.8", rules)
    assert refused("10.2.0.1", rules)
    assert not refused("10.1.0.1", rules)
    assert refused("10.1.9.1", rules)


def test_the_same_network_allowed_and_denied_is_denied() -> None:
    network = (ip_network("10.0.0.0/8"),)
    assert refused("10.0.0.1", EgressRules(allow_cidrs=network, deny_cidrs=network)) == "on the deny list"


def test_with_an_allow_list_everything_else_is_refused() -> None:
    rules = EgressRules(allow_cidrs=(ip_network("10.0.0.0/8"),))
    assert not refused("10.0.0.1", rules)
    assert refused("8.8.8.8", rules) == "not on the allow list"
    assert refused("2001:db8::1", rules)


@pytest.mark.parametrize("host", ["ci.example", "CI.example.", "a.b.corp"])
def test_an_allowed_host_passes_whatever_the_networks(host: str) -> None:
    rules = EgressRules(deny_cidrs=(ip_network("10.0.0.0/8"),), allow_hosts=("ci.example", "*.corp"))
    assert not refused("10.0.0.1", rules, host=host)
    assert refused("10.0.0.1", rules, host="other.example")
    assert refused("8.8.8.8", rules, host="other.example")


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_own_listener_on_every_address_is_refused_at_its_port_only(address: str) -> None:
    rules = EgressRules(own_listeners=(("0.0.0.0", 5000),))
    assert refused(address, rules, port=5000)
    assert not refused(address, rules, port=5001)
    assert not refused("203.0.113.9", rules, port=5000)


def test_own_listener_on_one_address_is_refused_there_only() -> None:
    rules = EgressRules(own_listeners=(("127.0.0.1", 8080),))
    assert refused("127.0.0.1", rules, port=8080)
    assert refused("::ffff:127.0.0.1", rules, port=8080)
    assert not refused("127.0.0.2", rules, port=8080)


def test_own_listener_by_name_is_every_address_of_this_machine() -> None:
    assert refused("127.0.0.1", EgressRules(own_listeners=(("localhost", 8080),)), port=8080)


def test_an_address_of_another_machine_is_not_local() -> None:
    assert is_local(ip_address("127.0.0.1"))
    assert not is_local(ip_address("203.0.113.9"))


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("2852039166", "169.254.169.254"),
        ("0xa9fea9fe", "169.254.169.254"),
        ("0251.0376.0251.0376", "169.254.169.254"),
        ("0xa9.254.0251.254", "169.254.169.254"),
        ("127.1", "127.0.0.1"),
        ("0", "0.0.0.0"),
        ("10.0.0.1", "10.0.0.1"),
        ("169.254.169.254.", "169.254.169.254"),
        ("0xa9fea9fe.", "169.254.169.254"),
        ("[::1]", "::1"),
        ("face.cafe", None),
        ("ci.example", None),
        ("", None),
        ("10.0.0.256", None),
    ],
)
def test_literal_address_reads_every_spelling(host: str, address: str | None) -> None:
    found = literal_address(host)
    assert (str(found) if found else None) == address


def test_socket_for_a_refused_address_is_not_made_and_the_dial_says_why() -> None:
    dial = Dial("ci.example")
    info = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("169.254.169.254", 80))
    with pytest.raises(AddressRefused):
        Guard().open_socket(dial, info)
    assert dial.address == "169.254.169.254:80"
    assert "metadata" in dial.refused
