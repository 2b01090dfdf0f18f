"""Certificates of targets, with real ones: which are accepted, and which connections are shared."""

import asyncio
import gc
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.certificates import write_certificate
from tests.support.receiver import BackgroundServer
from tests.wire.delivery_bench import SHORT, a_bench, a_delivery, running

ONCE = replace(SHORT, schedule=replace(SHORT.schedule, max_failures=1))


def write_authority_signed(folder: Path, *, host: str, days: int) -> tuple[Path, Path]:
    """A server's chain with its key, valid until so many days from now, and the authority to trust."""
    now, authority_key, key = (
        datetime.now(UTC),
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP256R1()),
    )
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])

    def begun(subject: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=30))
        )

    authority = (
        begun(issuer, authority_key.public_key())
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    name: x509.GeneralName
    try:
        name = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        name = x509.DNSName(host)
    server = (
        begun(x509.Name([]), key.public_key())
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([name]), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    chain, trusted = folder / "chain.pem", folder / "authority.pem"
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    chain.write_bytes(private + server.public_bytes(pem))
    trusted.write_bytes(authority.public_bytes(pem))
    return chain, trusted


@contextmanager
def a_tls_receiver(chain: Path) -> Iterator[tuple[str, list[int]]]:
    """HTTPS with that certificate; lists the client's port of every request: a connection each."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    ports: list[int] = []

    async def answer(request: web.Request) -> web.Response:
        assert request.transport
        ports.append(request.transport.get_extra_info("peername")[1])
        return web.Response()

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    server = BackgroundServer(application, tls=context)
    server.start()
    try:
        yield f"https://127.0.0.1:{server.port}/", ports
    finally:
        server.stop()


async def error_of(folder: Path, monkeypatch: pytest.MonkeyPatch, *, host: str, days: int) -> str:
    """What stops a delivery to 127.0.0.1 when the authority is trusted; empty when nothing does."""
    chain, trusted = write_authority_signed(folder, host=host, days=days)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    with a_tls_receiver(chain) as (url, ports):
        async with a_bench(folder) as bench, running(bench, ONCE):
            await bench.store(a_delivery(bench.add_target(url)))
            await bench.until_counted(**{("given_up" if days < 0 or host != "127.0.0.1" else "delivered"): 1})
            ((error,),) = await bench.rows("error", "attempts")
        assert bool(ports) == (not error)
    return str(error)


async def test_a_trusted_certificate_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await error_of(tmp_path, monkeypatch, host="127.0.0.1", days=1) == ""


async def test_an_expired_certificate_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = await error_of(tmp_path, monkeypatch, host="127.0.0.1", days=-1)
    assert error == "the certificate is not accepted: certificate has expired"


async def test_a_certificate_of_another_host_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = await error_of(tmp_path, monkeypatch, host="other.example", days=1)
    assert error.startswith("the certificate is not accepted: IP address mismatch")


@pytest.mark.parametrize(("host", "days"), [("other.example", 1), ("127.0.0.1", -1)])
async def test_any_certificate_is_accepted_when_told_so(tmp_path: Path, host: str, days: int) -> None:
    chain, _ = write_authority_signed(tmp_path, host=host, days=days)
    with a_tls_receiver(chain) as (url, ports):
        async with a_bench(tmp_path) as bench, running(bench, ONCE):
            await bench.store(a_delivery(bench.add_target(url, skip_cert_verify=True)))
            await bench.until("delivered")
        assert len(ports) == 1


async def test_a_verifying_target_never_uses_the_connection_of_a_trusting_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain, trusted = write_authority_signed(tmp_path, host="127.0.0.1", days=1)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    with a_tls_receiver(chain) as (url, ports):
        async with a_bench(tmp_path) as bench, running(bench, ONCE):
            trusting, verifying = bench.add_target(url, skip_cert_verify=True), bench.add_target(url)
            for number, key in enumerate((trusting, verifying, trusting, verifying), start=1):
                await bench.store(a_delivery(key))
                await bench.until(*["delivered"] * number)
    assert (ports[0], ports[1]) == (ports[2], ports[3])  # each keeps its own
    assert ports[0] != ports[1]


async def test_plain_http_spoken_to_a_tls_target_is_said(tmp_path: Path) -> None:
    chain, _ = write_authority_signed(tmp_path, host="127.0.0.1", days=1)
    with a_tls_receiver(chain) as (url, _ports):
        async with a_bench(tmp_path) as bench, running(bench, ONCE):
            await bench.store(a_delivery(bench.add_target(url.replace("https", "http"))))
            await bench.until("given_up")
            ((error,),) = await bench.rows("error", "attempts")
    assert error


@contextmanager
def a_target_without_a_farewell(folder: Path) -> Iterator[int]:
    """Answers one request over TLS, then neither reads nor closes."""
    certificate, is_over = write_certificate(folder), threading.Event()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.path, certificate.key_path)

    def serve() -> None:
        with context.wrap_socket(listener.accept()[0], server_side=True) as connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            is_over.wait(30)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        is_over.set()
        thread.join()


def test_no_connection_outlives_its_client(tmp_path: Path) -> None:
    """The command line's loop ends right after the client."""

    async def deliver(port: int) -> None:
        async with a_bench(tmp_path) as bench, running(bench, ONCE):
            key = bench.add_target(f"https://127.0.0.1:{port}/", skip_cert_verify=True)
            await bench.store(a_delivery(key))
            await bench.until("delivered")

    with a_target_without_a_farewell(tmp_path) as port:
        asyncio.run(deliver(port))
        gc.collect()  # warns of what was not closed, and warnings are errors here
