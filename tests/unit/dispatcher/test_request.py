"""Addresses are sent byte for byte; what cannot be sent is said without giving a secret away."""

import gc
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sidecar.dispatcher.excerpt import excerpt
from sidecar.dispatcher.request import USER_AGENT, PreparedTarget, make_tls_contexts, prepare, request_url
from sidecar.model.delivery import Unreachable
from sidecar.model.secrets import Secret
from sidecar.policies.target import Target, TargetType, TlsFiles
from tests.support.certificates import write_certificate

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
        "http://169.254.169.254./s3cret",
        "http://169%2e254.169.254/s3cret",
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
    hostile = Secret("Bearer s3cret\r\nX-Other: 1")
    for target, name in (
        (prepared(auth_header=hostile), "auth_header"),
        (prepared(headers=(("X-Key", hostile),)), "X-Key"),
    ):
        assert isinstance(target, Unreachable)
        assert name in target.reason
        assert "s3cret" not in target.reason


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("http://h:80/", "h"),
        ("https://h:443/", "h"),
        ("https://h:8443/", "h:8443"),
        ("http://[::1]:81/", "[::1]:81"),
        ("http://h./", "h"),
    ],
)
def test_host_header_has_no_default_port(address: str, host: str) -> None:
    assert ready(address).headers["Host"] == host


def test_a_bad_signing_secret_is_said() -> None:
    assert isinstance(prepared(secret=Secret("whsec_!")), Unreachable)


def test_certificates_are_verified_unless_told_not_to() -> None:
    assert ready().tls.verify_mode is ssl.CERT_REQUIRED
    assert ready().tls.check_hostname
    assert ready(skip_cert_verify=True).tls.verify_mode is ssl.CERT_NONE


def test_user_of_a_proxy_becomes_its_authentication() -> None:
    environment = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), "http://me:pw@proxy:3128")
    tunnelled, forwarded = ready(environment=environment), ready("http://h/", environment=environment)
    assert tunnelled.route.proxy
    assert forwarded.route.proxy
    assert (tunnelled.route.proxy.host, tunnelled.route.proxy.port) == ("proxy", 3128)
    assert tunnelled.route.proxy.connect_request == (
        b"CONNECT ci.example:443 HTTP/1.1\r\nHost: ci.example:443\r\n"
        b"User-Agent: %s\r\nProxy-Authorization: Basic bWU6cHc=\r\n\r\n" % USER_AGENT.encode()
    )
    assert not forwarded.route.proxy.connect_request
    assert (tunnelled.request_line, forwarded.request_line) == (
        "POST /hook HTTP/1.1",
        "POST http://h/ HTTP/1.1",
    )
    assert "Proxy-Authorization" not in tunnelled.headers
    assert forwarded.headers["Proxy-Authorization"] == "Basic bWU6cHc="


@pytest.mark.parametrize("kind", list(TargetType))
def test_tokens_are_masked_in_parts_too(kind: TargetType) -> None:
    target = ready("https://h/hooks/T0k%20en-12/x?api_key=s3cret-k%2By&stream=x", type=kind)
    told = b'{"path": ["hooks", "T0k en-12", "x"], "args": {"api_key": "s3cret-k+y"}} /hooks/T0k%20en-12/x'
    shown = excerpt(told, secrets=target.secrets)
    assert "T0k" not in shown
    assert "s3cret" not in shown


def test_words_of_a_path_are_shown() -> None:
    target = ready("https://h/api/harbor-webhook/?type=harbor")
    assert excerpt(b"no harbor-webhook of harbor", secrets=target.secrets) == "no harbor-webhook of harbor"


def test_the_proxy_is_verified_whatever_the_target_says() -> None:
    environment = {"HTTPS_PROXY": "https://proxy.example:3128"}
    route = ready("https://ci.example/", environment=environment, skip_cert_verify=True).route
    assert route.tls is TLS.unverified
    assert route.proxy_tls is TLS.verified


def test_credentials_of_the_proxy_are_masked() -> None:
    environment = {"HTTP_PROXY": "http://me:s3cret-pw@proxy.example:3128"}
    target = ready("http://ci.example/", environment=environment)
    told = f"{target.headers['Proxy-Authorization']} s3cret-pw bWU6czNjcmV0LXB3".encode()
    assert excerpt(told, secrets=target.secrets) == "*** *** ***"


def test_tokens_in_query_and_chat_path_count_as_secrets() -> None:
    assert "api_key=k123" in ready("https://h/p?api_key=k123").secrets
    assert "services/T0/B0/xyz" in ready("https://h/services/T0/B0/xyz", type=TargetType.SLACK).secrets


# Options


def test_extra_headers_stand_beside_ours_and_replace_the_harmless_ones() -> None:
    headers = (("X-Team", Secret("platform")), ("user-agent", Secret("Harbor")))
    sent = dict(ready(headers=headers, auth_header=Secret("Bearer x")).headers)
    assert sent["X-Team"] == "platform"
    assert sent["Authorization"] == "Bearer x"
    assert [value for name, value in sent.items() if name.lower() == "user-agent"] == ["Harbor"]


def test_what_may_be_a_token_is_masked_in_answers_and_words_are_not() -> None:
    headers = (("X-Api-Key", Secret("k3y-k3y-k3y")), ("X-Team", Secret("core")))
    target = ready(
        headers=headers, secret=Secret("bmV3LW5ldy1uZXc="), previous_secret=Secret("b2xkLW9sZC1vbGQ=")
    )
    shown = excerpt(b"k3y-k3y-k3y core bmV3LW5ldy1uZXc= b2xkLW9sZC1vbGQ=", secrets=target.secrets)
    assert shown == "*** core *** ***"


def test_new_secret_signs_before_the_previous_one() -> None:
    target = ready(secret=Secret("whsec_bmV3"), previous_secret=Secret("b2xk"))
    assert target.keys == (b"new", b"old")


def test_time_limit_is_the_policys() -> None:
    limited = prepare(Target(address="http://h/"), tls=TLS, environment={}, timeout_s=30)
    assert isinstance(limited, PreparedTarget)
    assert limited.limits
    assert (limited.limits.whole_s, limited.limits.connect_s) == (30, 5)
    assert ready().limits is None


def test_targets_share_a_context_only_with_the_same_tls_options(tmp_path: Path) -> None:
    made = write_certificate(tmp_path / "tls")
    ca = TlsFiles(ca_file=str(made.path))
    client = TlsFiles(client_cert_file=str(made.path), client_key_file=str(made.key_path))
    options: list[dict[str, Any]] = [
        {},
        {"skip_cert_verify": True},
        {"tls": ca},
        {"tls": replace(ca, fingerprint="changed")},
        {"tls": client},
        {"tls": client, "skip_cert_verify": True},
        {"tls": replace(ca, client_cert_file=str(made.path), client_key_file=str(made.key_path))},
    ]
    first, again = ([ready(**each).tls for each in options] for _ in range(2))
    assert len(set(first)) == len(options)
    kept = [ready(**each).tls for each in options]
    assert [context is same for context, same in zip(first, kept, strict=True)] == [True] * len(options)
    assert again == first
    assert [context.verify_mode is ssl.CERT_NONE for context in first] == [
        each.get("skip_cert_verify", False) for each in options
    ]


def test_contexts_that_nobody_uses_are_forgotten(tmp_path: Path) -> None:
    contexts = make_tls_contexts()
    made = write_certificate(tmp_path / "tls")
    target = Target(address="https://h/", tls=TlsFiles(ca_file=str(made.path)))
    kept = prepare(target, tls=contexts, environment={})
    assert len(contexts._special) == 1
    del kept
    gc.collect()
    assert len(contexts._special) == 0
