import errno
import socket
from pathlib import Path

import pytest

from sidecar.app.starting import cannot_listen, check_folder, hosts_of, prove_free
from sidecar.model.errors import StartFailed


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.EADDRINUSE, "x"), "in use by another program"),
        (OSError(errno.EADDRNOTAVAIL, "x"), "does not have that address"),
        (PermissionError(errno.EACCES, "x"), "choose a port above 1023"),
        (socket.gaierror(-2, "x"), "no such host"),
        (UnicodeError("label too long"), "no such host"),
        (OSError(errno.EMFILE, "x"), "Too many open files"),
    ],
)
def test_what_cannot_be_listened_on_is_one_line_with_the_key(error: Exception, words: str) -> None:
    line = str(cannot_listen("harbor.yml", "listen.admin", "127.0.0.1:1", error))
    assert line.startswith("harbor.yml: listen.admin: 127.0.0.1:1 ")
    assert words in line
    assert "\n" not in line


async def test_a_port_that_somebody_shares_is_not_free() -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sidecar.app.starting._PROVING_S", 0.0)
            with pytest.raises(OSError, match="in use"):
                await prove_free(*other.getsockname())
        port = other.getsockname()[1]
    await prove_free("127.0.0.1", port)


@pytest.mark.parametrize("name", ["a\0b", "x" * 300])
def test_a_folder_that_can_never_be_is_refused_by_its_key(tmp_path: Path, name: str) -> None:
    with pytest.raises(StartFailed, match=r"harbor\.yml: data_volume: "):
        check_folder(tmp_path / name, file_name="harbor.yml")


def test_a_folder_that_may_still_come_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    check_folder(tmp_path / "file" / "data", file_name="harbor.yml")
    check_folder(tmp_path / "data", file_name="harbor.yml")


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1", "::1", "registry.example.com"])
def test_an_address_is_bound_alone(host: str) -> None:
    assert hosts_of(host) == (host,)


def test_every_interface_is_those_of_either_family() -> None:
    assert "0.0.0.0" in hosts_of("::")
