"""All client connections: creates them, closes idle ones when there are too many, drains them at the end."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import Any, Final, cast

from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from sidecar.model.client_limits import ClientLimits
from sidecar.proxy.arrival import ClientRequest
from sidecar.proxy.budget import Budget
from sidecar.proxy.connection import ClientConnection
from sidecar.proxy.descriptors import OpenConnections
from sidecar.proxy.incoming import CONNECTION_BYTES

#: Time for cancelled requests to end.
_LAST_WAIT_S: Final = 0.2
#: When the limit of connections is reached.
_CLOSED_AT_ONCE: Final = 16
_MOST_LOOKED_AT: Final = 1024  #: connections examined to find an idle one that may be closed


class Server(web.Server):
    """Drains before it closes: aiohttp's own shutdown drops the rest of a request body."""

    def __init__(
        self,
        handler: Callable[[ClientRequest], Awaitable[web.StreamResponse]],
        drain: Callable[[float], Awaitable[None]],
        *,
        budget: Budget,
        limits: Callable[[], ClientLimits],
        **options: Any,
    ) -> None:
        super().__init__(cast("Any", handler), **options)
        self._drain = drain
        self._budget = budget
        self._limits = limits
        budget.reclaim = self._close_idle
        self.open_connections = OpenConnections(
            make_room=lambda: self._close_idle(_CLOSED_AT_ONCE * CONNECTION_BYTES)
        )

    def __call__(self) -> ClientConnection:
        return ClientConnection(
            self,
            loop=self._loop,
            budget=self._budget,
            limits=self._limits(),
            open_connections=self.open_connections,
            **self._kwargs,
        )

    def _close_idle(self, size_bytes: int) -> None:
        """When memory is short, idle connections are closed, the oldest first."""
        enough = self._budget.free_bytes + size_bytes
        for connection in islice(self._connections, _MOST_LOOKED_AT):
            if self._budget.free_bytes >= enough:
                break
            if isinstance(connection, ClientConnection) and connection.is_idle:
                connection.give_way()

    def _make_request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: RequestHandler,
        writer: AbstractStreamWriter,
        task: "asyncio.Task[None]",
    ) -> ClientRequest:
        return ClientRequest(message, payload, protocol, writer, task, self._loop)

    def pre_shutdown(self) -> None:
        """Nothing yet: `shutdown` follows."""

    async def shutdown(self, timeout: float | None = None) -> None:
        await self._drain(timeout or 0)
        super().pre_shutdown()
        await super().shutdown(_LAST_WAIT_S)
