"""What a target receives, byte for byte."""

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from sidecar.dispatcher.request import USER_AGENT
from sidecar.model.secrets import Secret
from sidecar.policies.target import BodySignature, TargetType
from tests.support.receiver import Answer, Received, Receiver
from tests.wire.delivery_bench import a_bench, a_delivery, running
from tests.wire.delivery_raw_targets import a_raw_target, answers, breaks_off

OLD = "whsec_" + base64.b64encode(b"o" * 24).decode()
NEW = "whsec_" + base64.b64encode(b"n" * 24).decode()
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


async def received(tmp_path: Path, path: str = "/hook", **more: Any) -> Received:
    """The request that one delivery to a target with these settings makes."""
    with Receiver() as receiver:
        async with a_bench(tmp_path) as bench, running(bench):
            content_type = more.pop("content_type", "application/json")
            body = more.pop("body", b'{"a": 1}')
            key = bench.add_target(receiver.url + path, **more)
            await bench.store(a_delivery(key, body=body, content_type=content_type))
            await bench.until("delivered")
        (request,) = receiver.requests
        return request


@pytest.mark.parametrize(
    "path",
    ["", "/", "/harbor-webhook/", "/webhook?type=harbor", "/a//b/%2F%2f/../c?x=%20+&y=a/b", "/t0ken?q="],
)
async def test_path_and_query_arrive_as_configured(tmp_path: Path, path: str) -> None:
    assert (await received(tmp_path, path)).path == (path or "/")


async def test_body_and_content_type_arrive_as_stored(tmp_path: Path) -> None:
    body = '{"ä": "\u2028"}'.encode() + b"\n"
    request = await received(tmp_path, body=body, content_type="application/cloudevents+json")
    assert request.method == "POST"
    assert request.body == body
    assert request.header("Content-Type") == "application/cloudevents+json"
    assert request.header("Content-Length") == str(len(body))


@pytest.mark.parametrize(
    "value", ["Bearer xyz", "Basic dXNlcjpwYXNz", "Secret foo", "just-a-key", "bearer  x"]
)
async def test_authorization_arrives_verbatim(tmp_path: Path, value: str) -> None:
    assert (await received(tmp_path, auth_header=Secret(value))).header("Authorization") == value


@pytest.mark.parametrize("kind", [TargetType.SLACK, TargetType.TEAMS])
async def test_chat_targets_get_no_authorization(tmp_path: Path, kind: TargetType) -> None:
    request = await received(tmp_path, type=kind, auth_header=Secret("Bearer xyz"))
    assert request.header("Authorization") == ""


async def test_nothing_but_the_documented_headers_is_sent(tmp_path: Path) -> None:
    request = await received(tmp_path, secret=Secret(OLD), auth_header=Secret("Bearer xyz"))
    assert [name for name, _ in request.headers] == [
        "Host",
        "User-Agent",
        "Accept",
        "Accept-Encoding",
        "Authorization",
        "Content-Type",
        "webhook-id",
        "X-Sidecar-Event-Id",
        "X-Sidecar-Delivery-Id",
        "X-Sidecar-Attempt",
        "webhook-timestamp",
        "webhook-signature",
        "Content-Length",
    ]
    assert request.header("User-Agent") == USER_AGENT


@pytest.mark.parametrize(
    ("options", "authorization"),
    [
        ({}, "Basic dXNlcjpwQHc="),
        ({"auth_header": Secret("Bearer t")}, "Bearer t"),
        ({"type": TargetType.SLACK}, ""),
    ],
)
async def test_user_in_the_address_is_sent_as_its_authentication_only(
    tmp_path: Path, options: dict[str, Any], authorization: str
) -> None:
    with Receiver() as receiver:
        async with a_bench(tmp_path) as bench, running(bench):
            key = bench.add_target(f"http://user:p%40w@127.0.0.1:{receiver.port}/hook", **options)
            await bench.store(a_delivery(key))
            await bench.until("delivered")
    (request,) = receiver.requests
    assert (request.path, request.header("Host")) == ("/hook", f"127.0.0.1:{receiver.port}")
    assert request.header("Authorization") == authorization


@pytest.mark.parametrize("receiver_has", [OLD, NEW])
async def test_public_library_verifies_the_signature(tmp_path: Path, receiver_has: str) -> None:
    request = await received(tmp_path, secret=Secret(f"{NEW} {OLD}"))
    assert Webhook(receiver_has).verify(request.body, dict(request.headers)) == {"a": 1}


@pytest.mark.parametrize(
    ("header", "prefix"), [("X-Signature", "sha256="), ("X-Hub-Signature-256", "sha256="), ("X-Hmac", "")]
)
async def test_openssl_makes_the_same_signature_of_the_body(tmp_path: Path, header: str, prefix: str) -> None:
    signature = BodySignature(header=header, prefix=prefix, secret=Secret("pl4in täxt"))
    body = '{"ä": "\u2028"}'.encode()
    request = await received(tmp_path, body=body, body_signature=signature, secret=Secret(OLD))
    (tmp_path / "body").write_bytes(request.body)
    openssl = await asyncio.create_subprocess_exec(
        *("openssl", "dgst", "-sha256", "-hmac", "pl4in täxt", "-r", str(tmp_path / "body")),
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await openssl.communicate()
    assert request.header(header) == prefix + printed.split()[0].decode()
    Webhook(OLD).verify(request.body, dict(request.headers))


async def test_every_attempt_has_the_same_event_id_and_its_own_signature(tmp_path: Path) -> None:
    verdicts = iter([Answer(status=500), Answer(status=503), Answer(status=204)])
    with Receiver(lambda _: next(verdicts)) as receiver:
        async with a_bench(tmp_path) as bench, running(bench):
            delivery = a_delivery(bench.add_target(receiver.url, secret=Secret(OLD)))
            await bench.store(delivery)
            await bench.until("delivered")
        requests = receiver.requests
    assert [request.header("X-Sidecar-Attempt") for request in requests] == ["1", "2", "3"]
    for name in ("webhook-id", "X-Sidecar-Event-Id"):
        assert {request.header(name) for request in requests} == {str(delivery.event_id)}
    assert {request.header("X-Sidecar-Delivery-Id") for request in requests} == {str(delivery.id)}
    for request in requests:
        Webhook(OLD).verify(request.body, dict(request.headers))


async def test_cookies_are_never_sent_back(tmp_path: Path) -> None:
    with Receiver(lambda _: Answer(headers={"Set-Cookie": "a=b; Path=/"})) as receiver:
        async with a_bench(tmp_path) as bench, running(bench):
            key = bench.add_target(receiver.url)
            await bench.store(a_delivery(key), a_delivery(key))
            await bench.until("delivered", "delivered")
        assert {request.header("Cookie") for request in receiver.requests} == {""}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_failures_and_not_followed(tmp_path: Path, status: int) -> None:
    with Receiver() as elsewhere, Receiver() as receiver:
        receiver.respond = lambda _: Answer(status=status, headers={"Location": elsewhere.url})
        async with a_bench(tmp_path) as bench, running(bench):
            await bench.store(a_delivery(bench.add_target(receiver.url)))
            await bench.until("given_up")
            assert await bench.rows("status", "attempts") == [(status,)] * 3
        assert elsewhere.requests == []


async def test_a_connection_is_used_again(tmp_path: Path) -> None:
    async with a_raw_target(answers(OK)) as target, a_bench(tmp_path) as bench, running(bench):
        key = bench.add_target(target.url)
        await bench.store(*(a_delivery(key) for _ in range(20)))
        await bench.until(*["delivered"] * 20)
    assert (len(target.requests), target.connections) == (20, 1)


async def test_a_post_that_broke_off_is_not_sent_again_behind_our_back(tmp_path: Path) -> None:
    async def once_then_break_off(reader: Any, writer: Any) -> None:
        await (answers(OK) if len(target.requests) == 1 else breaks_off)(reader, writer)

    async with a_raw_target(once_then_break_off) as target, a_bench(tmp_path) as bench, running(bench):
        key = bench.add_target(target.url)
        await bench.store(a_delivery(key))
        await bench.until("delivered")
        await bench.store(a_delivery(key))  # on the connection that is open already
        await bench.until("delivered", "given_up")
        attempts = await bench.rows("number", "attempts")
    assert len(target.requests) == len(attempts) == 4
