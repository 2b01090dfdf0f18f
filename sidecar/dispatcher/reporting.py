"""Logs and counts what became of attempts and deliveries."""

from collections.abc import Callable
from typing import Final, Protocol

import structlog

from sidecar.dispatcher.decision import Decision
from sidecar.model.delivery import (
    Accepted,
    Attempt,
    AttemptResult,
    Delivery,
    DeliveryState,
    Rejected,
    TargetKey,
    Unreachable,
)

log = structlog.get_logger()

_DISABLED: Final = "answered 410 Gone; used again when its address changes, or by sidecar enable-target"


class DeliveryCounter(Protocol):
    """Whoever counts; every method is called on the event loop and must not block."""

    def attempt_finished(self, result: AttemptResult, duration_s: float) -> None: ...

    def delivery_ended(self, state: DeliveryState, number: int = 1) -> None: ...


class Reporter:
    def __init__(self, counter: DeliveryCounter | None, host_of: Callable[[TargetKey], str]) -> None:
        """`host_of` returns a target's host, for the log; its path and query may hold tokens."""
        self._counter = counter
        self._host_of = host_of

    def attempt_finished(self, delivery: Delivery, attempt: Attempt, decision: Decision) -> None:
        """An attempt has ended, and this is what becomes of its delivery."""
        if self._counter:
            self._counter.attempt_finished(attempt.result, attempt.duration_ms / 1000)
            if decision.state is not DeliveryState.WAITING:
                self._counter.delivery_ended(decision.state)
        if isinstance(attempt.result, Accepted):
            # Every delivery comes here: nothing is made into text that is not written down.
            log.debug("delivery.delivered", status=attempt.result.status, delivery_id=delivery.id)
            return
        self._attempt_failed(delivery, attempt, attempt.result, decision)

    def cancelled(self, target: TargetKey, number: int, reason: str) -> None:
        """So many deliveries of a target were cancelled."""
        if number:
            log.info("delivery.cancelled", policy=target.policy_id, number=number, reason=reason)
            if self._counter:
                self._counter.delivery_ended(DeliveryState.CANCELLED, number)

    def brought_forward(self, target: TargetKey, number: int) -> None:
        """A target takes deliveries again, and so many that failed meanwhile are due at once."""
        log.info("target.is_back", policy=target.policy_id, brought_forward=number)

    def _attempt_failed(
        self, delivery: Delivery, attempt: Attempt, result: Rejected | Unreachable, decision: Decision
    ) -> None:
        fields = _log_fields(delivery, attempt, self._host_of(delivery.target))
        match result:
            case Rejected(status):
                log.warning("attempt.failed", status=status, error=f"answered {status}", **fields)
            case Unreachable(reason):
                log.warning("attempt.failed", error=reason, **fields)
        if decision.state is DeliveryState.GIVEN_UP:
            log.error("delivery.given_up", **fields)
        if decision.is_target_gone:
            log.error("target.disabled", error=_DISABLED, **fields)


def _log_fields(delivery: Delivery, attempt: Attempt, host: str) -> dict[str, object]:
    return {
        "event_id": str(delivery.event_id),
        "event_type": delivery.event_type.value,
        "repository": delivery.repository,
        "policy": delivery.target.policy_id,
        "target_host": host,
        "delivery_id": str(delivery.id),
        "attempt": attempt.number,
        "duration_ms": round(attempt.duration_ms, 1),
    }
