from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from tests.support.certificates import Certificate, write_certificate
from tests.unit.config.conftest import TARGET, Errors, Load, one_target


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return write_certificate(tmp_path_factory.mktemp("certificate"))


def test_authorities_are_looked_at(errors_of: Errors, tmp_path: Path) -> None:
    minimal = "hostname: x\nregistry: {url: 'https://r', ca_file: ca.pem}\n"
    (missing,) = errors_of(minimal=minimal)
    assert missing.endswith("ca.pem cannot be read: No such file or directory")
    (tmp_path / "ca.pem").write_text("nonsense")
    (wrong,) = errors_of(minimal=minimal)
    assert wrong == f"harbor.yml: registry.ca_file: {tmp_path / 'ca.pem'} holds no certificates in PEM form"


def test_authorities_may_be_glued_together(load_text: Load, tmp_path: Path, certificate: Certificate) -> None:
    (tmp_path / "ca.pem").write_bytes(certificate.path.read_bytes().strip() * 2)
    loaded = load_text(one_target(ca_file="ca.pem"))
    assert loaded.policies[0].targets[0].tls.ca_file == str(tmp_path / "ca.pem")


def test_files_of_a_target_are_below_the_folder_and_watched(
    load_text: Load, tmp_path: Path, certificate: Certificate
) -> None:
    for name, path in (
        ("ca.pem", certificate.path),
        ("c.crt", certificate.path),
        ("c.key", certificate.key_path),
    ):
        (tmp_path / name).write_bytes(path.read_bytes())
    loaded = load_text(one_target(ca_file="ca.pem", client_cert_file="c.crt", client_key_file="c.key"))
    tls = loaded.policies[0].targets[0].tls
    files = [str(tmp_path / name) for name in ("ca.pem", "c.crt", "c.key")]
    assert [tls.ca_file, tls.client_cert_file, tls.client_key_file] == files
    assert [str(path) for path in loaded.files] == files


def test_what_a_file_holds_is_part_of_the_settings(
    load_text: Load, tmp_path: Path, certificate: Certificate
) -> None:
    (tmp_path / "ca.pem").write_bytes(certificate.path.read_bytes())
    before, again = (load_text(one_target(ca_file="ca.pem")) for _ in range(2))
    (tmp_path / "ca.pem").write_bytes(certificate.path.read_bytes() * 2)
    after = load_text(one_target(ca_file="ca.pem"))
    assert before == again
    assert before != after


def test_certificate_and_key_must_belong_together(
    errors_of: Errors, tmp_path: Path, certificate: Certificate
) -> None:
    other = write_certificate(tmp_path / "other")
    (found,) = errors_of(
        one_target(client_cert_file=str(certificate.path), client_key_file=str(other.key_path))
    )
    assert found.startswith(f"harbor.yml: {TARGET}.client_cert_file: ")
    assert found.endswith("are no certificate with its key, in PEM form and not encrypted")


def test_encrypted_key_is_an_error_and_no_question(
    errors_of: Errors, tmp_path: Path, certificate: Certificate
) -> None:
    (tmp_path / "key").write_bytes(
        certificate.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"sekrit"),
        )
    )
    (found,) = errors_of(one_target(client_cert_file=str(certificate.path), client_key_file="key"))
    assert "not encrypted" in found


def test_each_file_that_is_missing_is_named(errors_of: Errors) -> None:
    found = errors_of(one_target(client_cert_file="c.crt", client_key_file="c.key"))
    assert [line.split(": ")[1] for line in found] == [
        f"{TARGET}.client_cert_file",
        f"{TARGET}.client_key_file",
    ]
    assert all(line.endswith("cannot be read: No such file or directory") for line in found)
