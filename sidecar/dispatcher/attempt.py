"""One POST of one delivery.

Makes a single attempt and says how it went: retrying is the schedule's business. Never raises for a
fault of the target, whatever it answers or fails to answer.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Self

from sidecar.dispatcher.connections import TargetConnections, words
from sidecar.dispatcher.decision import parse_retry_after
from sidecar.dispatcher.egress import Dial, Guard
from sidecar.dispatcher.excerpt import excerpt
from sidecar.dispatcher.http1 import Answer, Connection, NoAnswer
from sidecar.dispatcher.request import Limits, PreparedTarget, head_of, limits_of
from sidecar.dispatcher.signing import sign, sign_body
from sidecar.model.delivery import Accepted, Attempt, AttemptResult, Delivery, Rejected, Unreachable
from sidecar.policies.egress_rules import EgressRules


class _NotConnected(TimeoutError):
    """Within the time for it."""


class TargetClient:
    """Sends to all targets over one pool of connections; use it as an asynchronous context manager."""

    def __init__(self, *, timeout_s: float, rules: EgressRules, now: Callable[[], datetime]) -> None:
        self._guard = Guard()
        self._connections = TargetConnections(self._guard)
        self._now = now
        self.reconfigure(timeout_s=timeout_s, rules=rules)

    def reconfigure(self, *, timeout_s: float, rules: EgressRules) -> None:
        """`timeout_s` is for targets whose policy has none of its own."""
        self._guard.rules = rules
        self._connections.close()  # those that are open were judged by the rules before
        self._limits = limits_of(timeout_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connections.close()

    async def attempt(
        self, delivery: Delivery, prepared: PreparedTarget, dial: Dial | None = None
    ) -> Attempt:
        """POST a delivery once; takes no longer than the time limit.

        dial    is told what happened while connecting, for who wants to know more than the attempt says
        """
        started_at, began = self._now(), time.monotonic()
        dial, answer = dial or Dial(), Answer()
        dial.host = prepared.route.host
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
                await self._post(_request(delivery, prepared, at=at), prepared, limits, dial, answer)
        except (NoAnswer, OSError) as exc:  # TimeoutError is an OSError
            if not answer.status:
                return Unreachable(dial.refused or _reason(exc, limits))
            # The status is the answer; its body may be late or endless.
        return _judged(answer, now=self._now())

    async def _post(
        self, request: bytes, prepared: PreparedTarget, limits: Limits, dial: Dial, answer: Answer
    ) -> None:
        route, rules = prepared.route, self._guard.rules
        connection = self._connections.idle(route, dial)
        if connection is None:
            connection = await self._connect(prepared, limits, dial)
        try:
            await connection.exchange(request, answer)
        finally:
            if rules is self._guard.rules:
                self._connections.give_back(route, connection)
            else:  # it was judged by those before
                connection.close()

    async def _connect(self, prepared: PreparedTarget, limits: Limits, dial: Dial) -> Connection:
        limit = asyncio.timeout(limits.connect_s)
        try:
            async with limit:
                return await self._connections.connect(prepared.route, dial)
        except TimeoutError:
            if limit.expired():
                raise _NotConnected from None
            raise


def _reason(exc: Exception, limits: Limits) -> str:
    if isinstance(exc, _NotConnected):
        return f"not connected within {limits.connect_s:g} s"
    if isinstance(exc, TimeoutError):
        return f"no answer within {limits.whole_s:g} s" if not exc.errno else words(exc)
    return words(exc)


def _request(delivery: Delivery, prepared: PreparedTarget, *, at: datetime) -> bytes:
    headers = request_headers(delivery, prepared, at=at)
    headers["Content-Length"] = str(len(delivery.body))
    return head_of(prepared.request_line, headers) + delivery.body


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
    if own := prepared.body_signature:
        headers[own.header] = sign_body(delivery.body, secret=own.secret.reveal(), prefix=own.prefix)
    return headers


def _judged(answer: Answer, *, now: datetime) -> AttemptResult:
    if 200 <= answer.status < 300:
        return Accepted(answer.status)
    return Rejected(answer.status, parse_retry_after(answer.retry_after, now=now))


def _excerpt(answer: Answer, secrets: tuple[str, ...]) -> str:
    if answer.is_encoded:
        return "(compressed)" if answer.body else ""
    return excerpt(answer.body, secrets=secrets)
