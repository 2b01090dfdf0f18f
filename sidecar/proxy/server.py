"""All connections of clients: made, closed where there are too many, drained at the end."""

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

#: For what was cancelled to leave.
_LAST_WAIT_S: Final = 0.2
#: Where there are as many connections as may be.
_CLOSED_AT_ONCE: Final = 16
_MOST_LOOKED_AT: Final = 1024  #: connections, for one that may be closed in favour of a new one


class Server(web.Server):
    """Drains before it closes: aiohttp's own shutdown drops what still arrives of a request body."""

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
        """Where memory is short, connections that wait for nothing make room: the oldest first."""
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
