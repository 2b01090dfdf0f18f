"""What a policy and a target may have of their own: headers, secrets, certificates, patience."""

import base64
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from sidecar.model.secrets import Secret
from sidecar.policies.target import Target, TlsFiles
from sidecar.queue.schedule import RetrySchedule
from tests.support.certificates import Certificate, write_certificate
from tests.support.receiver import Answer, BackgroundServer, Receiver
from tests.wire.delivery_bench import SHORT, a_bench, a_delivery, running

OLD, NEW, OTHER = ("whsec_" + base64.b64encode(letter * 24).decode() for letter in (b"o", b"n", b"x"))


# Headers and signatures


async def test_extra_headers_arrive_with_every_attempt(tmp_path: Path) -> None:
    verdicts = iter([Answer(status=500), Answer()])
    with Receiver(lambda _: next(verdicts)) as receiver:
        async with a_bench(tmp_path) as bench, running(bench):
            headers = (("X-Api-Key", Secret("k3y")), ("X-Team", Secret("a  b")))
            await bench.store(a_delivery(bench.add_target(receiver.url, headers=headers)))
            await bench.until("delivered")
        assert len(receiver.requests) == 2
        for request in receiver.requests:
            assert ("X-Api-Key", "k3y") in request.headers
            assert ("X-Team", "a  b") in request.headers
            assert request.header("Content-Type") == "application/json"


async def test_header_that_a_target_echoes_is_not_kept(tmp_path: Path) -> None:
    with Receiver(lambda request: Answer(body=request.header("X-Api-Key").encode())) as receiver:
        async with a_bench(tmp_path) as bench, running(bench):
            headers = (("X-Api-Key", Secret("sekrit-sekrit")),)
            await bench.store(a_delivery(bench.add_target(receiver.url, headers=headers)))
            await bench.until("delivered")
            assert await bench.rows("excerpt", "attempts") == [("***",)]


async def test_while_a_secret_is_replaced_receivers_accept_either(tmp_path: Path) -> None:
    with Receiver() as receiver:
        async with a_bench(tmp_path) as bench, running(bench):
            key = bench.add_target(receiver.url, secret=Secret(NEW), previous_secret=Secret(OLD))
            await bench.store(a_delivery(key, body=b'{"a": 1}'))
            await bench.until("delivered")
        (request,) = receiver.requests
    headers = dict(request.headers)
    for secret in (NEW, OLD):
        assert Webhook(secret).verify(request.body, headers) == {"a": 1}
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER).verify(request.body, headers)
    first, second = headers["webhook-signature"].split()
    Webhook(NEW).verify(request.body, headers | {"webhook-signature": first})
    Webhook(OLD).verify(request.body, headers | {"webhook-signature": second})


# Certificates


@contextmanager
def a_server_that_asks_for(client: Certificate, own: Certificate) -> Iterator[tuple[str, list[Any]]]:
    """HTTPS with mutual TLS; lists each request's client certificate and connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.path, own.key_path)
    context.load_verify_locations(client.path)
    context.verify_mode = ssl.CERT_OPTIONAL
    seen: list[Any] = []

    async def answer(request: web.Request) -> web.Response:
        assert request.transport
        tls = request.transport.get_extra_info("ssl_object")
        seen.append((tls.getpeercert(binary_form=True), request.transport.get_extra_info("peername")[1]))
        return web.Response(status=200 if seen[-1][0] else 403)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    server = BackgroundServer(application, tls=context)
    server.start()
    try:
        yield f"https://127.0.0.1:{server.port}/", seen
    finally:
        server.stop()


async def test_client_certificate_is_shown_to_its_target_only(tmp_path: Path) -> None:
    client, own = write_certificate(tmp_path / "client", name="sidecar"), write_certificate(tmp_path / "own")
    trusted = TlsFiles(ca_file=str(own.path))
    mutual = replace(trusted, client_cert_file=str(client.path), client_key_file=str(client.key_path))
    with a_server_that_asks_for(client, own) as (url, seen):
        async with a_bench(tmp_path) as bench, running(bench):
            with_certificate = bench.add_target(url, tls=mutual)
            without = bench.add_target(url, tls=trusted)
            await bench.store(*(a_delivery(with_certificate, repository=f"prj/{n}") for n in range(4)))
            await bench.until(*["delivered"] * 4)
            await bench.store(a_delivery(without))
            await bench.until(*["delivered"] * 4, "given_up")
    assert [certificate for certificate, _ in seen[:4]] == [client.der] * 4
    assert {certificate for certificate, _ in seen[4:]} == {None}
    shared = {port for _, port in seen[:4]} & {port for _, port in seen[4:]}
    assert not shared  # no connection serves both


async def test_authority_of_a_target_is_its_own(tmp_path: Path) -> None:
    with Receiver(tls_in=tmp_path / "tls") as receiver:
        assert receiver.certificate
        async with a_bench(tmp_path) as bench, running(bench):
            trusting = bench.add_target(receiver.url, tls=TlsFiles(ca_file=str(receiver.certificate.path)))
            other = write_certificate(tmp_path / "other")
            mistrusting = bench.add_target(receiver.url, tls=TlsFiles(ca_file=str(other.path)))
            await bench.store(a_delivery(trusting), a_delivery(mistrusting))
            await bench.until("delivered", "given_up")
            errors = {row[0] for row in await bench.rows("error", "attempts")}
        assert len(receiver.requests) == 1
    assert any(error.startswith("the certificate is not accepted") for error in errors)


async def test_changed_certificate_file_counts_from_the_next_attempt(tmp_path: Path) -> None:
    with Receiver(tls_in=tmp_path / "tls") as receiver:
        assert receiver.certificate
        authority = tmp_path / "ca.pem"
        authority.write_bytes(write_certificate(tmp_path / "other").path.read_bytes())
        patient = replace(SHORT, schedule=RetrySchedule(max_failures=100, waits_s=(0.05,)))
        async with a_bench(tmp_path) as bench, running(bench, patient):
            key = bench.add_target(receiver.url, tls=TlsFiles(ca_file=str(authority), fingerprint="1"))
            await bench.store(a_delivery(key))
            while not await bench.rows("error", "attempts"):
                pass
            authority.write_bytes(receiver.certificate.path.read_bytes())
            bench.set_target(
                key, Target(address=receiver.url, tls=TlsFiles(ca_file=str(authority), fingerprint="2"))
            )
            await bench.until("delivered")


# Patience


async def test_policy_has_its_own_number_of_tries_and_time_limit(tmp_path: Path) -> None:
    with Receiver(lambda _: Answer(delay_s=5)) as hanging, Receiver(lambda _: Answer(status=500)) as failing:
        async with a_bench(tmp_path) as bench, running(bench, grace_s=0.1):
            quick, stubborn = bench.add_target(hanging.url), bench.add_target(failing.url)
            bench.set_target(quick, Target(address=hanging.url), max_retry=1, timeout_s=0.3)
            bench.set_target(stubborn, Target(address=failing.url), max_retry=5, retry_waits_s=(0.01,))
            await bench.store(a_delivery(quick), a_delivery(stubborn))
            await bench.until("given_up", "given_up")
            attempts = await bench.rows("error, duration_ms", "attempts")
        assert (len(hanging.requests), len(failing.requests)) == (1, 5)
    ((error, duration_ms),) = [attempt for attempt in attempts if attempt[0]]
    assert error == "no answer within 0.3 s"
    assert 250 < duration_ms < 1500


# 410 Gone


async def test_gone_is_remembered_across_a_restart_until_the_address_changes(tmp_path: Path) -> None:
    with Receiver(lambda _: Answer(status=410)) as receiver:
        async with a_bench(tmp_path) as bench:
            key = bench.add_target(receiver.url)
            async with running(bench) as dispatcher:
                await bench.store(a_delivery(key, repository="prj/a"))
                await bench.until("given_up")
                assert dispatcher.targets_disabled == 1
            async with running(bench) as dispatcher:
                await bench.store(a_delivery(key, repository="prj/b"))
                await bench.until("given_up", "cancelled")
                assert dispatcher.targets_disabled == 1
                bench.set_target(key, Target(address=receiver.url, auth_header=Secret("new")))
                await bench.store(a_delivery(key, repository="prj/c"))
                await bench.until("given_up", "cancelled", "cancelled")
            assert len(receiver.requests) == 1
            assert {row[0] for row in await bench.rows("reason")} == {"", "the target answered 410 Gone"}
            receiver.respond = lambda _: Answer()
            async with running(bench) as dispatcher:
                bench.set_target(key, Target(address=f"{receiver.url}/new"))
                await bench.store(a_delivery(key, repository="prj/d"))
                await bench.until("given_up", "cancelled", "cancelled", "delivered")
                assert dispatcher.targets_disabled == 0
            assert await bench.outbox.disabled.all() == []


async def test_target_enabled_in_the_store_is_used_again(tmp_path: Path) -> None:
    with Receiver(lambda _: Answer(status=410)) as receiver:
        async with a_bench(tmp_path) as bench, running(bench, replace(SHORT, poll_s=0.05)):
            key = bench.add_target(receiver.url)
            await bench.store(a_delivery(key, repository="prj/a"))
            await bench.until("given_up")
            while not await bench.outbox.disabled.all():
                pass
            receiver.respond = lambda _: Answer()
            await bench.outbox.disabled.enable([key])
            for number in range(200):
                await bench.store(a_delivery(key, repository=f"prj/{number}"))
                if "delivered" in await bench.states():
                    break
            assert "delivered" in await bench.states()
