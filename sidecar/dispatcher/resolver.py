"""Names to addresses, with a thread for each look-up.

asyncio's own look-ups share a few threads, so a handful of names whose servers do not answer would stop
all others from being resolved. Here nobody waits for anybody; aiohttp asks once at a time per name and
remembers the answer for some seconds, which bounds the threads by the number of targets.
"""

import asyncio
import socket
import threading
from contextlib import suppress
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult


class ThreadedLookups(AbstractResolver):
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a name; raises OSError."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[Any]] = loop.create_future()
        # A daemon: a look-up that hangs must not keep the process from ending.
        threading.Thread(target=_look_up, args=(host, port, family, loop, answer), daemon=True).start()
        return [_result(host, found) for found in await answer]

    async def close(self) -> None:
        """Nothing is kept open."""


def _look_up(
    host: str, port: int, family: int, loop: asyncio.AbstractEventLoop, answer: asyncio.Future[list[Any]]
) -> None:
    found: list[Any] | OSError
    try:
        found = socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
    except OSError as exc:
        found = exc
    except UnicodeError:  # a label that DNS cannot carry
        found = socket.gaierror(socket.EAI_NONAME, "not a host name")
    with suppress(RuntimeError):  # the loop was closed meanwhile
        loop.call_soon_threadsafe(_settle, answer, found)


def _settle(answer: asyncio.Future[list[Any]], found: list[Any] | OSError) -> None:
    if answer.done():
        return
    if isinstance(found, OSError):
        answer.set_exception(found)
    else:
        answer.set_result(found)


def _result(host: str, found: Any) -> ResolveResult:
    family, _, protocol, _, sockaddr = found
    return ResolveResult(
        hostname=host,
        host=socket.getnameinfo(sockaddr, socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)[0]
        if family == socket.AF_INET6 and sockaddr[3]
        else sockaddr[0],
        port=sockaddr[1],
        family=family,
        proto=protocol,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )
