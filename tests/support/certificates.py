"""Keys and self-signed certificates for tests."""

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    path: Path  #: PEM
    key_path: Path  #: PEM, not encrypted
    key: rsa.RSAPrivateKey
    der: bytes

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path, self.key_path)
        return context

    def client_context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.path)


def write_certificate(folder: Path, *, name: str = "localhost") -> Certificate:
    """A certificate for localhost and 127.0.0.1 that is its own authority, valid for a day."""
    folder.mkdir(parents=True, exist_ok=True)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    certificate = sign(key, name)
    path, key_path = folder / "certificate.pem", folder / "key.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    der = certificate.public_bytes(serialization.Encoding.DER)
    return Certificate(path=path, key_path=key_path, key=key, der=der)


def sign(key: rsa.RSAPrivateKey, name: str) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A server's certificate below an intermediate authority below a root; the server sends the first two."""

    root: bytes  #: PEM
    intermediate: bytes
    own: bytes
    served: Certificate


def write_chain(folder: Path, *, host: str = "localhost") -> Chain:
    folder.mkdir(parents=True, exist_ok=True)
    keys = [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(3)]
    root = _signed(keys[0], "root", by=keys[0], issuer="root")
    intermediate = _signed(keys[1], "intermediate", by=keys[0], issuer="root")
    own = _signed(keys[2], host, by=keys[1], issuer="intermediate", is_authority=False)
    pems = [each.public_bytes(serialization.Encoding.PEM) for each in (root, intermediate, own)]
    path, key_path = folder / "chain.pem", folder / "chain.key"
    path.write_bytes(pems[2] + pems[1])
    key_path.write_bytes(
        keys[2].private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    der = own.public_bytes(serialization.Encoding.DER)
    served = Certificate(path=path, key_path=key_path, key=keys[2], der=der)
    return Chain(root=pems[0], intermediate=pems[1], own=pems[2], served=served)


def _signed(
    key: rsa.RSAPrivateKey, name: str, *, by: rsa.RSAPrivateKey, issuer: str, is_authority: bool = True
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if not is_authority:
        names: list[x509.GeneralName] = [x509.DNSName(name)]
        if name == "localhost":
            names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(by, hashes.SHA256())
