import base64
import json
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.exchange import Client
from sidecar.proxy.identity import client_address, client_of, connection_of, is_trusted, operator_of
from sidecar.proxy.interface import PRIVATE_NETWORKS

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def basic(text: str | bytes) -> str:
    return "Basic " + base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def token(claims: object) -> str:
    parts = [json.dumps(part).encode() for part in ({"alg": "none"}, claims)]
    encoded = [base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts]
    return f"Bearer {'.'.join(encoded)}.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("authorization", "operator"),
    [
        ("", ""),
        (basic("alice:pa:ss"), "alice"),
        (basic("robot$proj+ci:x"), "robot$proj+ci"),
        (basic("jürgen:x"), "jürgen"),
        (basic("alice"), "alice"),
        ("Basic Og==", ""),
        ("basic " + basic("bob:x").split()[1], "bob"),
        ("  Basic   " + basic("bob:x").split()[1], "bob"),
        (basic("bob:x").rstrip("="), "bob"),
        ("Basic !!!", ""),
        ("Basic", ""),
        (basic(b"\xff:x"), "\ufffd"),
        ("Digest username=x", ""),
        (token({"sub": "alice"}), "alice"),
        (token({"sub": "", "preferred_username": "bob"}), "bob"),
        (token({"name": "carol"}), "carol"),
        (token({"azp": "ci"}), "ci"),
        (token({"sub": 7, "name": "carol"}), "carol"),
        (token({"access": []}), ""),
        (token(["sub"]), ""),
        ("Bearer opaque", ""),
        ("Bearer a.b.c", ""),
        ("Bearer " + "x" * 40_000, ""),
        (basic("x" * 1000 + ":y"), "x" * 256),
    ],
)
def test_operator(authorization: str, operator: str) -> None:
    assert operator_of(authorization) == operator


@given(st.text(max_size=80))
def test_operator_of_anything_is_short_text(text: str) -> None:
    for scheme in ("Basic ", "Bearer ", "Bearer a.", ""):
        assert len(operator_of(scheme + text)) <= 256


@given(st.binary(max_size=80))
def test_token_with_any_claims_is_read_without_an_error(claims: bytes) -> None:
    encoded = base64.urlsafe_b64encode(claims).decode()
    assert isinstance(operator_of(f"Bearer x.{encoded}.y"), str)


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("1.2.3.4", [], "1.2.3.4"),
        ("1.2.3.4", [b"9.9.9.9"], "1.2.3.4"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [b"9.9.9.9"], "9.9.9.9"),
        ("10.0.0.1", [b"6.6.6.6, 9.9.9.9"], "9.9.9.9"),
        ("10.0.0.1", [b"6.6.6.6, 9.9.9.9, 10.0.0.7"], "9.9.9.9"),
        ("10.0.0.1", [b"6.6.6.6", b"9.9.9.9"], "9.9.9.9"),
        ("10.0.0.1", [b"10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", [b"9.9.9.9:4711"], "9.9.9.9"),
        ("10.0.0.1", [b"[2001:db8::1]:4711"], "2001:db8::1"),
        ("10.0.0.1", [b"2001:db8::1"], "2001:db8::1"),
        ("10.0.0.1", [b"6.6.6.6, unknown, 10.0.0.9"], "10.0.0.9"),
        ("10.0.0.1", [b", ,"], "10.0.0.1"),
        ("::ffff:10.0.0.1", [b"9.9.9.9"], "9.9.9.9"),
        ("fd00::1", [b"9.9.9.9"], "9.9.9.9"),
        ("", [b"9.9.9.9"], ""),
        ("not an address", [], "not an address"),
    ],
)
def test_client_address(peer: str, forwarded: list[bytes], address: str) -> None:
    headers = [(b"X-Forwarded-For", value) for value in forwarded]
    assert client_address(headers, peer=peer, trusted=TRUSTED) == address


def test_private_networks_are_trusted_by_default() -> None:
    private = ("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "::1", "fd12::1", "::ffff:10.0.0.1")
    assert all(is_trusted(peer, PRIVATE_NETWORKS) for peer in private)
    assert not any(is_trusted(peer, PRIVATE_NETWORKS) for peer in ("8.8.8.8", "2001:db8::1", "", "x"))


def test_client_is_bounded_and_keeps_no_credential() -> None:
    headers = [(b"User-Agent", b"u" * 1000), (b"Authorization", basic("alice:s3cret").encode())]
    client = client_of(headers, peer="1.2.3.4", trusted=())
    assert client == Client(address="1.2.3.4", operator="alice", user_agent="u" * 256)
    assert "s3cret" not in repr(client)


def test_a_connection_is_known_by_its_port_unless_a_proxy_stands_between() -> None:
    assert connection_of([(b"Host", b"h")], ("10.0.0.1", 40123)) == "40123"
    assert connection_of([(b"Host", b"h")], ("fd00::1", 40123, 0, 0)) == "40123"
    for name in (b"X-Forwarded-For", b"Forwarded", b"Via", b"X-Real-IP"):
        assert not connection_of([(name, b"10.9.9.9")], ("10.0.0.1", 40123))
    for no_port in (None, "", "/run/a.sock"):
        assert not connection_of([], no_port)


def test_a_connection_is_no_part_of_what_is_compared() -> None:
    one, other, unknown = (
        Client(address="a", operator="", user_agent="u", connection=c) for c in ("1", "2", "")
    )
    assert one == other == unknown
    assert hash(one) == hash(other)
    assert one.shares_connection(one)
    assert not one.shares_connection(other)
    assert not unknown.shares_connection(unknown)
    assert not one.shares_connection(Client(address="b", operator="", user_agent="u", connection="1"))
