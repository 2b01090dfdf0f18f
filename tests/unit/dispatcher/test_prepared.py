"""Addresses are sent byte for byte; what cannot be sent is said without giving a secret away."""

import ssl
from typing import Any

import pytest

from sidecar.delivery import Unreachable
from sidecar.dispatcher.prepared import PreparedTarget, make_tls_contexts, prepare, request_url
from sidecar.policy import Secret, Target, TargetType

TLS = make_tls_contexts()


def prepared(address: str = "https://ci.example/hook", **more: Any) -> PreparedTarget | Unreachable:
    environment = more.pop("environment", {})
    return prepare(Target(address=address, **more), tls=TLS, environment=environment)


def ready(address: str = "https://ci.example/hook", **more: Any) -> PreparedTarget:
    target = prepared(address, **more)
    assert isinstance(target, PreparedTarget)
    return target


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("http://h", "/"),
        ("http://h/", "/"),
        ("http://h/harbor-webhook/", "/harbor-webhook/"),
        ("http://h/a//b/../c", "/a//b/../c"),
        ("http://h/a%2Fb%2fc", "/a%2Fb%2fc"),
        ("http://h/a+b?q=1+2&r=%20", "/a+b?q=1+2&r=%20"),
        ("http://h/p?type=harbor&x=a/b?c", "/p?type=harbor&x=a/b?c"),
        ("http://h?api_key=k", "/?api_key=k"),
        ("http://h/p;v=1,2:3@x!$&'()*~", "/p;v=1,2:3@x!$&'()*~"),
        ("http://h/p#fragment", "/p"),
        ("http://h/a b\u00e4\n", "/a%20b%C3%A4%0A"),
        ("http://h/%zz|{}^", "/%zz|{}^"),
    ],
)
def test_path_and_query_are_sent_as_written(address: str, path: str) -> None:
    assert request_url(address).raw_path_qs == path


@pytest.mark.parametrize(
    ("address", "authority"),
    [
        ("http://user:pass@ci.example:8080/", "ci.example:8080"),
        ("http://CI.example/", "ci.example"),
        ("http://[2001:DB8::1]:81/", "[2001:db8::1]:81"),
        ("http://b\u00fccher.example/", "xn--bcher-kva.example"),
    ],
)
def test_authority_is_sent_without_user(address: str, authority: str) -> None:
    assert str(request_url(address)) == f"http://{authority}/"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ftp://h/s3cret",
        "h/s3cret",
        "http:///s3cret",
        "http://h:99999/s3cret",
        "http://[::1/s3cret",
        "http://[x]/s3cret",
        "file:///s3cret",
        "http://169.254.169.254/s3cret",
        "http://2852039166/s3cret",
        "http://0xa9fea9fe/s3cret",
        "http://[::ffff:169.254.169.254]/s3cret",
        f"http://{'a' * 70}\u00e4.example/s3cret",
    ],
)
def test_an_unusable_address_is_said_without_quoting_it(address: str) -> None:
    target = prepared(address)
    assert isinstance(target, Unreachable)
    assert "address" in target.reason
    assert "s3cret" not in target.reason


def test_authorization_is_the_header_verbatim() -> None:
    assert ready(auth_header=Secret("  custom  x ")).headers["Authorization"] == "  custom  x "
    assert "Authorization" not in ready().headers


@pytest.mark.parametrize("kind", [TargetType.SLACK, TargetType.TEAMS])
def test_chat_targets_never_get_an_authorization(kind: TargetType) -> None:
    assert "Authorization" not in ready(type=kind, auth_header=Secret("Bearer x")).headers


def test_a_header_that_cannot_be_sent_is_said() -> None:
    target = prepared(auth_header=Secret("Bearer s3cret\r\nX-Other: 1"))
    assert isinstance(target, Unreachable)
    assert "auth_header" in target.reason
    assert "s3cret" not in target.reason


def test_a_bad_signing_secret_is_said() -> None:
    assert isinstance(prepared(secret=Secret("whsec_!")), Unreachable)


def test_certificates_are_verified_unless_told_not_to() -> None:
    assert ready().tls.verify_mode is ssl.CERT_REQUIRED
    assert ready().tls.check_hostname
    assert ready(skip_cert_verify=True).tls.verify_mode is ssl.CERT_NONE


def test_user_of_a_proxy_becomes_its_authentication() -> None:
    environment = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), "http://me:pw@proxy:3128")
    tunnelled, forwarded = ready(environment=environment), ready("http://h/", environment=environment)
    assert str(tunnelled.proxy) == str(forwarded.proxy) == "http://proxy:3128"
    assert tunnelled.proxy_headers == {"Proxy-Authorization": "Basic bWU6cHc="}
    assert "Proxy-Authorization" not in tunnelled.headers
    assert forwarded.headers["Proxy-Authorization"] == "Basic bWU6cHc="


def test_tokens_in_query_and_chat_path_count_as_secrets() -> None:
    assert "api_key=k123" in ready("https://h/p?api_key=k123").secrets
    assert "services/T0/B0/xyz" in ready("https://h/services/T0/B0/xyz", type=TargetType.SLACK).secrets
