"""Bytes of a client's connection => requests.

A head is collected within the budget and its time limit, and parsed by `heads`. A refused head becomes a
request too, with its fault, so that every response is made in one place.
"""

import asyncio
from typing import Any, Final, Protocol

from aiohttp import StreamReader
from aiohttp.streams import EMPTY_PAYLOAD

from sidecar.model.client_limits import ClientLimits
from sidecar.proxy.arrival import Arrival, arrival_of, refused_by
from sidecar.proxy.budget import Budget, Share
from sidecar.proxy.heads import (
    LARGEST_HEAD_BYTES,
    Head,
    HeadRefused,
    end_of_head,
    method_of,
    parse_head,
    path_of,
    too_large,
)
from sidecar.proxy.incoming_body import IncomingBody
from sidecar.proxy.refusals import Refused, no_memory_left
from sidecar.proxy.timer import Timer

#: Memory of a connection with all its objects.
CONNECTION_BYTES: Final = 8 * 1024
#: Memory of a request, for each byte of its head and for each of its headers: measured.
_REQUEST_BYTES: Final = 16 * 1024
_FOR_EACH_BYTE: Final = 4
_FOR_EACH_HEADER: Final = 512

#: The first byte of a client that speaks TLS; no method begins with it.
_TLS_HANDSHAKE: Final = 0x16


class Carrier(Protocol):
    """What the connection has to offer."""

    transport: asyncio.Transport | None

    def queue(self, arrival: Arrival, payload: StreamReader) -> None:
        """Handle a request after the previous ones."""

    def has_enough(self) -> bool:
        """Whether the queue of requests is full."""

    def is_paused(self) -> bool:
        """Whether reading is paused, because a body is not consumed."""

    def hold_back(self) -> None:
        """Pause reading until the waiting requests are handled; then `feed` is called again."""

    def force_close(self) -> None: ...


class IncomingRequests:
    """The bytes that arrive on one connection."""

    __slots__ = (
        "_body",
        "_budget",
        "_connection",
        "_is_over",
        "_is_reading",
        "_limits",
        "_received",
        "_searched",
        "_share",
        "_timer",
    )

    def __init__(
        self,
        connection: Carrier,
        parser: Any,
        loop: asyncio.AbstractEventLoop,
        *,
        budget: Budget,
        share: Share,
        limits: ClientLimits,
    ) -> None:
        """`share` is that of the connection, which also accounts for an incomplete head."""
        self._connection = connection
        self._budget = budget
        self._share = share
        self._limits = limits
        self._received = bytearray()  # of an incomplete head, or of waiting requests
        self._searched = 0  # the end of the head is not before this
        self._is_over = False  # further bytes are discarded
        self._is_reading = False
        self._timer = Timer(loop, self._head_is_late)
        self._body = IncomingBody(
            parser, loop, stall_timeout_s=limits.stall_timeout_s, is_paused=connection.is_paused
        )

    @property
    def is_idle(self) -> bool:
        """Whether nothing of a request has arrived."""
        return not self._received and not self._is_reading

    def begin(self) -> None:
        """Start the time limit of the first head."""
        self._timer.start(self._limits.head_timeout_s)

    def stop(self) -> None:
        """The connection is gone."""
        self._timer.stop()
        self._body.stop()
        self._received = bytearray()

    def feed(self, data: bytes) -> None:
        if self._is_over or self._body.is_broken:
            return
        if self._body.is_coming:
            data = self._body.feed(data)
        if data or self._received:
            self._is_reading = True
            self._read_heads(data)
            self._is_reading = False

    def _read_heads(self, data: bytes) -> None:
        rest: bytes | bytearray = data
        if self._received:
            self._received += data
            rest = self._received
        searched, is_waiting = self._searched, False
        while rest and not self._is_over:
            is_waiting = self._connection.has_enough()
            if is_waiting or (end := end_of_head(rest, searched)) < 0:
                break
            head, rest, searched = bytes(rest[:end]), rest[end:], 0
            self._take_head(head)
            if self._body.is_coming:
                rest = self._body.feed(bytes(rest))
        self._keep(rest, is_waiting=is_waiting)

    def _keep(self, rest: bytes | bytearray, *, is_waiting: bool) -> None:
        """Wait for the rest of a head, or until previous requests are handled."""
        if self._is_over or not rest:
            self._forget()
            return
        if rest is not self._received:
            self._received = bytearray(rest)
        if is_waiting:
            self._searched = 0
            self._timer.stop()
            self._connection.hold_back()
            return
        self._searched = max(len(rest) - 3, 0)
        if refused := self._fault_of_beginning(rest):
            self._refuse(refused, rest)
        elif not self._timer.is_running:
            self.begin()

    def _fault_of_beginning(self, rest: bytes | bytearray) -> Refused | None:
        """Why waiting for the rest of a head is pointless."""
        if rest[0] == _TLS_HANDSHAKE:  # docker tries https first, and would wait for a response
            return refused_by(HeadRefused("TLS is not spoken here"))
        if len(rest) > LARGEST_HEAD_BYTES:
            return refused_by(too_large(rest))
        more_bytes = len(rest) + CONNECTION_BYTES - self._share.taken_bytes
        return no_memory_left() if more_bytes > 0 and not self._share.take(more_bytes) else None

    def _forget(self) -> None:
        self._received = bytearray()
        self._searched = 0
        self._share.release(self._share.taken_bytes - CONNECTION_BYTES)
        self._timer.stop()

    def _take_head(self, raw: bytes) -> None:
        share = self._budget.share()
        try:
            head, body_bytes = _admitted(raw, share)
        except Refused as refused:
            share.release(share.taken_bytes)
            self._refuse(refused, raw)
            return
        arrival, payload = arrival_of(head, share), EMPTY_PAYLOAD
        if body_bytes:
            payload = self._body.begin(arrival, head, body_bytes, self._connection.transport)
        self._connection.queue(arrival, payload)

    def _refuse(self, refused: Refused, received: bytes | bytearray) -> None:
        """Have it answered, and stop reading."""
        self._is_over = True
        share = self._budget.share()
        arrival = Arrival(method=method_of(received), path=path_of(received), share=share, fault=refused)
        self._connection.queue(arrival, EMPTY_PAYLOAD)
        self._forget()

    def _head_is_late(self) -> None:
        if self._received:
            late = Refused("the head of the request did not come in time", status=408)
            self._refuse(late, self._received)
        else:
            self._connection.force_close()


def _admitted(raw: bytes, share: Share) -> tuple[Head, int]:
    """The contents of a head, and the size of its body's buffers (0: no body). Raises Refused."""
    try:
        if len(raw) > LARGEST_HEAD_BYTES:
            raise too_large(raw)
        if not share.take(_REQUEST_BYTES + _FOR_EACH_BYTE * len(raw) + _FOR_EACH_HEADER * raw.count(b"\n")):
            raise no_memory_left()
        head = parse_head(raw)
    except HeadRefused as refused:
        raise refused_by(refused) from None
    if not head.is_chunked and not head.length:
        return head, 0
    body_bytes = share.take_for_body(head.length)
    if not body_bytes:
        raise no_memory_left()
    return head, body_bytes
