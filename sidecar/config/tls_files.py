"""PEM files: certificate authorities, and a client's certificate with its key.

They are read when the configuration is loaded, to report errors; whoever uses them reads them again.
A fingerprint of their contents makes a changed file a change of the settings.
"""

import ssl
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from sidecar.config.errors import Errors, Location, sections
from sidecar.config.model import TargetSection
from sidecar.policies.target import TlsFiles
from sidecar.upstreams.client import tls_context

_KEYS: Final = ("ca_file", "client_cert_file", "client_key_file")


def check_tls_files(
    values: dict[str, Any], model: type[BaseModel], errors: Errors, *, folder: Path
) -> list[Path]:
    """Checks that the files contain what their keys say; returns the files named."""
    named: list[Path] = []
    for at, mapping, kind in sections(values, model):
        paths: dict[str, Path] = {
            key: folder / name
            for key in _KEYS
            if key in kind.model_fields and isinstance(name := mapping.get(key), str) and name.isprintable()
        }
        named += paths.values()
        if ca_file := paths.get("ca_file"):
            _check_certificates(ca_file, (*at, "ca_file"), errors)
        if len(paths.keys() & {"client_cert_file", "client_key_file"}) == 2:
            _check_client(paths, at, errors)
    return named


def _check_certificates(path: Path, location: Location, errors: Errors) -> None:
    try:
        tls_context(path)
    except ssl.SSLError:
        errors.add(location, f"{path} holds no certificates in PEM form")
    except OSError as exc:
        errors.add(location, f"{path} cannot be read: {exc.strerror}")


def _check_client(paths: dict[str, Path], at: Location, errors: Errors) -> None:
    keys = ("client_cert_file", "client_key_file")
    unreadable = [key for key in keys if not _is_readable(paths[key], (*at, key), errors)]
    if unreadable:
        return
    try:
        load_client(ssl.create_default_context(), *(paths[key] for key in keys))
    except ssl.SSLError:
        errors.add(
            (*at, keys[0]),
            f"{paths[keys[0]]} and {paths[keys[1]]} are no certificate with its key, in PEM form and not encrypted",
        )


def load_client(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    # Without a password OpenSSL would ask for one on the terminal.
    context.load_cert_chain(certificate, key, password="")


def _is_readable(path: Path, location: Location, errors: Errors) -> bool:
    try:
        path.read_bytes()
    except OSError as exc:
        errors.add(location, f"{path} cannot be read: {exc.strerror}")
        return False
    return True


def tls_files_of(section: TargetSection, folder: Path) -> TlsFiles:
    names = (section.ca_file, section.client_cert_file, section.client_key_file)
    ca_file, certificate, key = (str(folder / name) if name else "" for name in names)
    return TlsFiles(
        ca_file=ca_file,
        client_cert_file=certificate,
        client_key_file=key,
        fingerprint=_fingerprint(filter(None, (ca_file, certificate, key))),
    )


def _fingerprint(paths: Iterable[str]) -> str:
    contents = [_contents(Path(path)) for path in paths]
    return sha256(b"".join(sha256(content).digest() for content in contents)).hexdigest() if contents else ""


def _contents(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # deleted since it was checked; when it is back, the settings have changed
        return b""
