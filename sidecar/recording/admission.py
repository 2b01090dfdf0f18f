"""Decides whether a write may be forwarded.

A write that raises an event is noted as an intent. If the store does not accept that in time, the write is forwarded
nevertheless: its event can be kept in memory. With `strict` it is denied.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import structlog

from sidecar.detectors.scopes import remembered, scope_of_intent
from sidecar.model.admission import ADMITTED, AdmissionRequest, Admitted, Denied
from sidecar.model.changes import Decided
from sidecar.model.errors import StoreUnavailable
from sidecar.model.exchange import Intent
from sidecar.model.memory import Snapshot
from sidecar.model.operation import WriteOperation
from sidecar.store.store import Store

log = structlog.get_logger()

#: A client does not wait longer than this for the store.
_PATIENCE_S: Final = 5.0
_NOT_KEPT: Final = Denied(
    status=503, code="UNAVAILABLE", message="events cannot be kept right now; try again later"
)


class Admission:
    """The admission of writes; the proxy is given its method."""

    def __init__(self, store: Store, *, run: str, is_strict: Callable[[], bool]) -> None:
        """`is_strict`: whether writes are denied while the store cannot keep their events."""
        self._store = store
        self._run = run
        self._is_strict = is_strict

    async def admit(self, request: AdmissionRequest) -> Admitted | Denied:
        """Whether a write may be forwarded; its intent is durable then. Never raises.

        Asked again with the same id, it amends the intent.
        """
        if not isinstance(request.operation, WriteOperation):
            return ADMITTED  # raises no event, so nothing is noted
        try:
            is_noted = await self._note(_intent_of(request, request.operation))
        except Exception:  # a bug of ours must not refuse a push
            log.exception("intent.not_opened", operation=type(request.operation).__name__)
            return ADMITTED
        return ADMITTED if is_noted or not self._is_strict() else _NOT_KEPT

    async def _note(self, intent: Intent) -> bool:
        def decide(snapshot: Snapshot) -> Decided:
            return Decided(opens=replace(intent, remembered=remembered(intent, snapshot)), run=self._run)

        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._store.record(scope_of_intent(intent), decide)
        except (StoreUnavailable, TimeoutError) as exc:
            log.warning("intent.not_noted", request_id=intent.request_id, error=str(exc) or "timed out")
            return False
        return True


def _intent_of(request: AdmissionRequest, operation: WriteOperation) -> Intent:
    return Intent(
        id=request.id,
        operation=operation,
        client=request.client,
        opened_at=request.came_at,
        request_body=request.request_body,
        content_digest=request.content_digest,
        facts=request.facts,
        chart_sizes=request.chart_sizes,
        request_id=request.request_id,
    )
