import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from sidecar.dispatcher.request import make_tls_contexts
from sidecar.services.certificate import fetch_certificate, parse_certificate
from tests.support.receiver import Receiver

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def a_certificate(subject: dict[x509.ObjectIdentifier, str], *, expires_at: datetime) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(oid, value) for oid, value in subject.items()])
    issuer = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Büro CA")])
    builder = x509.CertificateBuilder(
        issuer, name, key.public_key(), x509.random_serial_number(), NOW, expires_at
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize("expires_at", [NOW + timedelta(days=90), datetime(2077, 5, 6, 7, 8, 9, tzinfo=UTC)])
def test_a_certificate_says_who_it_is_for_and_until_when(expires_at: datetime) -> None:
    subject = {
        NameOID.COMMON_NAME: "ci.example.com",
        NameOID.ORGANIZATION_NAME: "Example",
        NameOID.TITLE: "x",
    }
    found = parse_certificate(a_certificate(subject, expires_at=expires_at))
    assert found.subject == "CN=ci.example.com, O=Example"
    assert found.issuer == "O=Büro CA"
    assert found.expires_at == expires_at


def test_a_certificate_may_name_nobody() -> None:
    assert parse_certificate(a_certificate({}, expires_at=NOW + timedelta(days=1))).subject == ""


@given(st.binary(max_size=200))
def test_anything_else_is_no_certificate(der: bytes) -> None:
    with pytest.raises(ValueError, match="not a certificate"):
        parse_certificate(der)


@given(st.integers(0, 400), st.binary(min_size=1, max_size=3))
def test_a_damaged_certificate_is_read_or_refused(at: int, noise: bytes) -> None:
    der = DER[:at] + noise + DER[at + len(noise) :]
    with suppress(ValueError):  # and nothing else
        parse_certificate(der)


DER = a_certificate({NameOID.COMMON_NAME: "ci"}, expires_at=NOW + timedelta(days=1))


async def test_it_is_fetched_from_a_server_that_is_not_trusted(tmp_path: Path) -> None:
    with Receiver(tls_in=tmp_path) as receiver:
        assert receiver.certificate
        der = await fetch_certificate(
            f"127.0.0.1:{receiver.port}",
            host="ci.example.com",
            tls=make_tls_contexts().unverified,
            timeout_s=5,
        )
        assert der == ssl.PEM_cert_to_DER_cert(receiver.certificate.path.read_text())
    assert receiver.requests == []
