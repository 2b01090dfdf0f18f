"""What is said of an attempt: a line of the log where it failed, and numbers for whoever counts."""

from collections.abc import Callable
from typing import Final, Protocol

import structlog

from sidecar.dispatcher.schedule import Verdict
from sidecar.model.delivery import (
    Accepted,
    Attempt,
    AttemptResult,
    Delivery,
    DeliveryState,
    Rejected,
    Unreachable,
)

log = structlog.get_logger()

_DISABLED: Final = "answered 410 Gone; used again when its address changes, or by sidecar enable-target"


class Observer(Protocol):
    """Whoever counts; every method is called on the event loop and must not block."""

    def attempt_finished(self, result: AttemptResult, duration_s: float) -> None: ...

    def delivery_ended(self, state: DeliveryState, number: int = 1) -> None: ...


def tell(
    delivery: Delivery,
    attempt: Attempt,
    verdict: Verdict,
    *,
    host: Callable[[], str],
    observer: Observer | None,
) -> None:
    """`host` answers the target's, for what has failed; its path and query may hold tokens."""
    if observer:
        observer.attempt_finished(attempt.result, attempt.duration_ms / 1000)
        if verdict.state is not DeliveryState.WAITING:
            observer.delivery_ended(verdict.state)
    if isinstance(attempt.result, Accepted):
        # Every delivery comes here: nothing is made into text that is not written down.
        log.debug("delivery.delivered", status=attempt.result.status, delivery_id=delivery.id)
        return
    facts = _facts(delivery, attempt, host())
    match attempt.result:
        case Rejected(status):
            log.warning("attempt.failed", status=status, error=f"answered {status}", **facts)
        case Unreachable(reason):
            log.warning("attempt.failed", error=reason, **facts)
    if verdict.state is DeliveryState.GIVEN_UP:
        log.error("delivery.given_up", **facts)
    if verdict.is_target_gone:
        log.error("target.disabled", error=_DISABLED, **facts)


def _facts(delivery: Delivery, attempt: Attempt, host: str) -> dict[str, object]:
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
