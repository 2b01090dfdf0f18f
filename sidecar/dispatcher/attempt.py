"""One POST of one delivery.

Makes a single attempt and says how it went: retrying is the schedule's business. Never raises for a
fault of the target, whatever it answers or fails to answer.
"""

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Final, Self

import aiohttp

from sidecar.delivery import Accepted, Attempt, AttemptResult, Delivery, Rejected, Unreachable
from sidecar.dispatcher.addresses import DIAL, Dial, EgressRules, Guard, format_address
from sidecar.dispatcher.excerpt import excerpt
from sidecar.dispatcher.prepared import Limits, PreparedTarget, limits_of
from sidecar.dispatcher.resolver import ThreadedLookups
from sidecar.dispatcher.schedule import parse_retry_after
from sidecar.dispatcher.signing import sign

LONGEST_ANSWER_BYTES: Final = 64 << 10
# Shorter than what receivers keep idle connections for (gunicorn 2 s, Node and uvicorn 5 s): a POST on a
# connection that the other side is just closing fails, and would be seen as the target's failure.
_KEEPALIVE_S: Final = 1.5


@dataclass(slots=True)
class Answer:
    """What has come back so far."""

    status: int = 0
    retry_after: str = ""
    body: bytes = b""
    is_encoded: bool = False  #: compressed, which was not asked for


class _Response(aiohttp.ClientResponse):
    """Notes the other end of its connection, which aiohttp forgets once the answer has been read."""

    async def start(self, connection: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        if connection.transport:
            DIAL.get().tls = connection.transport.get_extra_info("ssl_object")
            if peer := connection.transport.get_extra_info("peername"):
                DIAL.get().address = format_address(peer[0], peer[1])
        return await super().start(connection)


class TargetClient:
    """Sends to all targets over one pool of connections; use it as an asynchronous context manager."""

    def __init__(self, *, timeout_s: float, rules: EgressRules, now: Callable[[], datetime]) -> None:
        self._guard = Guard()
        self._now = now
        self.reconfigure(timeout_s=timeout_s, rules=rules)

    def reconfigure(self, *, timeout_s: float, rules: EgressRules) -> None:
        """`timeout_s` is for targets whose policy has none of its own."""
        self._guard.rules = rules
        self._limits = limits_of(timeout_s)

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(
            limit=0,  # each target's window bounds its own; a common bound could be used up by dead ones
            resolver=ThreadedLookups(),
            socket_factory=self._guard.open_socket,
            keepalive_timeout=_KEEPALIVE_S,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            response_class=_Response,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def attempt(self, delivery: Delivery, prepared: PreparedTarget) -> Attempt:
        """POST a delivery once; takes no longer than the time limit."""
        started_at, began = self._now(), time.monotonic()
        dial, answer = Dial(prepared.host), Answer()
        DIAL.set(dial)
        result = await self._result(delivery, prepared, started_at, dial=dial, answer=answer)
        return Attempt(
            delivery_id=delivery.id,
            number=delivery.attempts + 1,
            started_at=started_at,
            duration_ms=(time.monotonic() - began) * 1000,
            result=result,
            address=dial.address,
            excerpt=_excerpt(answer, prepared.secrets),
        )

    async def _result(
        self, delivery: Delivery, prepared: PreparedTarget, at: datetime, *, dial: Dial, answer: Answer
    ) -> AttemptResult:
        limits = prepared.limits or self._limits
        try:
            async with asyncio.timeout(limits.whole_s):
                await self._post(delivery, prepared, at, answer)
        except (aiohttp.ClientError, OSError) as exc:  # TimeoutError is an OSError
            if not answer.status:
                return Unreachable(dial.refused or _reason(exc, limits))
            # The status is the answer; its body may be late, broken or endless.
        return _judged(answer, now=self._now())

    async def _post(self, delivery: Delivery, prepared: PreparedTarget, at: datetime, answer: Answer) -> None:
        async with self._session.post(
            prepared.url,
            data=delivery.body,
            headers=request_headers(delivery, prepared, at=at),
            allow_redirects=False,
            ssl=prepared.tls,
            proxy=prepared.proxy,
            proxy_headers=prepared.proxy_headers,
            timeout=(prepared.limits or self._limits).timeouts,
        ) as response:
            answer.status = response.status
            answer.retry_after = response.headers.get("Retry-After", "")
            answer.is_encoded = "Content-Encoding" in response.headers
            await _read_body(response.content, answer)


def _reason(exc: Exception, limits: Limits) -> str:
    if isinstance(exc, aiohttp.ConnectionTimeoutError):
        return f"not connected within {limits.connect_s:g} s"
    if isinstance(exc, TimeoutError):
        return f"no answer within {limits.whole_s:g} s"
    return reason_of(exc)


async def _read_body(content: aiohttp.StreamReader, answer: Answer) -> None:
    # To its end where that is near, so that the connection can be used again.
    async for chunk in content.iter_any():
        answer.body += chunk
        if len(answer.body) >= LONGEST_ANSWER_BYTES:
            answer.body = answer.body[:LONGEST_ANSWER_BYTES]
            return


def request_headers(delivery: Delivery, prepared: PreparedTarget, *, at: datetime) -> dict[str, str]:
    """The headers of one attempt (docs/delivery.md lists them)."""
    event_id = str(delivery.event_id)
    headers = {
        **prepared.headers,
        "Content-Type": delivery.content_type,
        "webhook-id": event_id,
        "X-Sidecar-Event-Id": event_id,
        "X-Sidecar-Delivery-Id": str(delivery.id),
        "X-Sidecar-Attempt": str(delivery.attempts + 1),
    }
    if prepared.keys:
        timestamp = int(at.timestamp())
        headers["webhook-timestamp"] = str(timestamp)
        headers["webhook-signature"] = sign(
            delivery.body, keys=prepared.keys, event_id=event_id, timestamp=timestamp
        )
    return headers


def _judged(answer: Answer, *, now: datetime) -> AttemptResult:
    if 200 <= answer.status < 300:
        return Accepted(answer.status)
    return Rejected(answer.status, parse_retry_after(answer.retry_after, now=now))


def _excerpt(answer: Answer, secrets: tuple[str, ...]) -> str:
    if answer.is_encoded:
        return "(compressed)" if answer.body else ""
    return excerpt(answer.body, secrets=secrets)


def reason_of(exc: Exception) -> str:
    """Why there was no answer, in words; never with a URL, which may hold a token."""
    match exc:
        case aiohttp.ClientHttpProxyError():
            return f"the proxy answered {exc.status}"
        case aiohttp.ClientProxyConnectionError():
            return f"the proxy cannot be reached: {_words(exc.os_error)}"
        case aiohttp.ClientConnectorDNSError():
            return f"the host name cannot be resolved: {_words(exc.os_error)}"
        case aiohttp.ClientConnectorCertificateError():
            return f"the certificate is not accepted: {_certificate_fault(exc.certificate_error)}"
        case aiohttp.ClientConnectorSSLError():
            return f"no TLS connection: {_words(exc.os_error)}"
        case aiohttp.ServerDisconnectedError():
            return "the connection was closed before an answer came"
        case aiohttp.InvalidURL():
            return "the address is not a canonical URL"
        case aiohttp.ClientResponseError() | aiohttp.ClientPayloadError():
            return "the answer is not valid HTTP"
        case OSError():
            return _words(exc)
        case _:
            return type(exc).__name__


def _certificate_fault(exc: Exception) -> str:
    return str(getattr(exc, "verify_message", "") or exc)


def _words(exc: OSError) -> str:
    # aiohttp and asyncio put addresses and hosts into messages; the cause alone is plain.
    cause = getattr(exc, "os_error", exc)
    text = cause.strerror or str(cause) or type(cause).__name__
    if cause.errno and "call failed" in text:
        text = os.strerror(cause.errno)
    return text.lower()
