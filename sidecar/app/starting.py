"""Resources that are needed before anything starts: addresses to listen on, a folder for the store.

An unavailable one raises StartFailed: one line that names the key of harbor.yml to correct.
"""

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import structlog

from sidecar.model.errors import StartFailed

log = structlog.get_logger()

#: Exit status for errors that a restart would not fix.
CANNOT_START: Final = 2

_PROVING_S: Final = 5.0
_CLAIMING_S: Final = 15.0
_AGAIN_S: Final = 0.1
_NOT_HAD: Final = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT})
_IMPOSSIBLE_PATH: Final = frozenset({errno.ENAMETOOLONG, errno.ELOOP})


def hosts_of(host: str) -> tuple[str, ...]:
    """The addresses to bind for a host: `::` means every address of both families, as in Go."""
    if host != "::":
        return (host,)
    either = ((socket.AF_INET6, "::"), (socket.AF_INET, "0.0.0.0"))  # noqa: S104 - what it means
    return tuple(each for family, each in either if _is_had(family, each)) or (host,)


def _is_had(family: socket.AddressFamily, address: str) -> bool:
    try:
        _bind_once(family, socket.SOCK_STREAM, 0, (address, 0))
    except OSError as exc:
        return exc.errno not in _NOT_HAD
    return True


async def prove_free(host: str, port: int) -> None:
    """Raises OSError while somebody else listens there.

    A shared port is shared with any process that asks for it, including another sidecar. Workers of a sidecar that
    was killed are given a moment to end.
    """
    loop = asyncio.get_running_loop()
    until_s = loop.time() + _PROVING_S
    addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    for family, kind, protocol, _, address in addresses:
        while True:
            try:
                _bind_once(family, kind, protocol, address)
                break
            except OSError as exc:
                if exc.errno != errno.EADDRINUSE or loop.time() > until_s:
                    raise
                await asyncio.sleep(_AGAIN_S)


def _bind_once(family: int, kind: int, protocol: int, address: Any) -> None:
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        probe.bind(address)


def cannot_listen(file_name: str, key: str, address: str, error: Exception) -> StartFailed:
    return StartFailed(f"{file_name}: {key}: {address} {_why(error)}")


def _why(error: Exception) -> str:
    if isinstance(error, socket.gaierror | UnicodeError):
        return "cannot be listened on: there is no such host; write an address of this machine"
    match getattr(error, "errno", None):
        case errno.EADDRINUSE:
            return "is in use by another program; end that one, or choose another port"
        case errno.EADDRNOTAVAIL:
            return "cannot be listened on: this machine does not have that address"
        case errno.EACCES | errno.EPERM:
            return "cannot be listened on by this user; choose a port above 1023"
        case number:
            words = os.strerror(number) if isinstance(number, int) else str(error)
            return f"cannot be listened on: {words}"


async def claim(take: Callable[[], str], folder: Path, file_name: str) -> None:
    """Wait for a folder that another sidecar uses, which may be about to end; not for long.

    take   returns the holder, "" when we have it
    """
    loop = asyncio.get_running_loop()
    until_s, is_said = loop.time() + _CLAIMING_S, False
    while holder := take():
        if not is_said:
            log.warning("store.waiting_for_other", path=str(folder), holder=holder)
            is_said = True
        if loop.time() > until_s:
            raise StartFailed(
                f"{file_name}: data_volume: {folder} is used by another sidecar ({holder}); "
                "end that one, or give this one a folder of its own"
            )
        await asyncio.sleep(_AGAIN_S)


def check_folder(folder: Path, *, file_name: str) -> None:
    """Refuse a data_volume that is impossible; one that does not exist yet may still appear."""
    try:
        folder.stat()
    except ValueError:
        raise StartFailed(f"{file_name}: data_volume: is no path of a folder") from None
    except OSError as exc:
        if exc.errno in _IMPOSSIBLE_PATH:
            raise StartFailed(f"{file_name}: data_volume: cannot be: {exc.strerror} ({folder})") from None
