"""Names to addresses, with a thread for each look-up.

asyncio's own look-ups share a few threads, so a handful of names whose servers do not answer would stop
all others from being resolved. Here nobody waits for anybody: a name is asked for once at a time and
remembered for some seconds, which bounds the threads by the number of targets.
"""

import asyncio
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Final

#: As socket.getaddrinfo has it: family, type, protocol, "", socket address.
AddressInfo = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...]]

_REMEMBERED_S: Final = 10.0
_MOST_REMEMBERED: Final = 4096

_Key = tuple[str, int]


@dataclass(slots=True)
class Lookups:
    """Asks the system's resolver."""

    _pending: dict[_Key, asyncio.Future[list[AddressInfo]]] = field(default_factory=dict)
    _known: dict[_Key, tuple[float, list[AddressInfo]]] = field(default_factory=dict)

    async def addresses(self, host: str, port: int) -> list[AddressInfo]:
        """The addresses of a name, or the one that it spells itself; raises socket.gaierror."""
        if literal := _literal(host, port):
            return [literal]
        key, now = (host, port), asyncio.get_running_loop().time()
        if key in self._known and self._known[key][0] > now:
            return self._known[key][1]
        if key not in self._pending:
            self._pending[key] = self._ask(key)
        # Shielded: one who stops waiting takes the answer from no other.
        return await asyncio.shield(self._pending[key])

    def _ask(self, key: _Key) -> asyncio.Future[list[AddressInfo]]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[AddressInfo]] = loop.create_future()
        answer.add_done_callback(lambda _: self._keep(key, answer, loop.time()))
        # A daemon: a look-up that hangs must not keep the process from ending.
        threading.Thread(target=_look_up, args=(*key, loop, answer), daemon=True).start()
        return answer

    def _keep(self, key: _Key, answer: asyncio.Future[list[AddressInfo]], now: float) -> None:
        del self._pending[key]
        if answer.cancelled() or answer.exception():
            return
        if len(self._known) >= _MOST_REMEMBERED:
            self._known = {known: entry for known, entry in self._known.items() if entry[0] > now}
        self._known[key] = now + _REMEMBERED_S, answer.result()


def _literal(host: str, port: int) -> AddressInfo | None:
    try:
        version = ip_address(host).version
    except ValueError:
        return None
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    return family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port)


def _look_up(
    host: str, port: int, loop: asyncio.AbstractEventLoop, answer: asyncio.Future[list[AddressInfo]]
) -> None:
    found: list[Any] | OSError
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as exc:
        found = exc
    except UnicodeError:  # a label that DNS cannot carry
        found = socket.gaierror(socket.EAI_NONAME, "not a host name")
    with suppress(RuntimeError):  # the loop was closed meanwhile
        loop.call_soon_threadsafe(_settle, answer, found)


def _settle(answer: asyncio.Future[list[AddressInfo]], found: list[Any] | OSError) -> None:
    if answer.done():
        return
    if isinstance(found, OSError):
        answer.set_exception(found)
    else:
        answer.set_result(found)
