"""What is done with the deliveries of one target: attempt, decide, record, report.

The queue says when; this knows the target. Failures of the target are results, and a bug of ours in one
attempt is one as well.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog

from sidecar.dispatcher.attempt import TargetClient
from sidecar.dispatcher.away import AwayNotes
from sidecar.dispatcher.decision import decide, outcome_of
from sidecar.dispatcher.disabled import DisabledSnapshot
from sidecar.dispatcher.reporting import Reporter
from sidecar.dispatcher.target_registry import TargetRegistry
from sidecar.model.delivery import Attempt, Delivery, TargetKey, Unreachable
from sidecar.queue.circuit_breaker import AttemptOutcome, CircuitBreaker
from sidecar.queue.jobs import store_when_possible
from sidecar.queue.schedule import RetrySchedule
from sidecar.store.outbox import Outbox

log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class Dependencies:
    """What the work for all targets shares."""

    outbox: Outbox
    client: TargetClient
    registry: TargetRegistry
    disabled: DisabledSnapshot
    away: AwayNotes
    reporter: Reporter
    schedule: RetrySchedule  #: where a target's policy has none of its own
    now: Callable[[], datetime]
    jitter: Callable[[], float]


class TargetWork:
    """The `queue.jobs.Work` of one target."""

    def __init__(self, key: TargetKey, shared: Dependencies) -> None:
        self._key = key
        self._shared = shared
        self.log_fields: Mapping[str, object] = {"policy": key.policy_id}

    def closed_reason(self) -> str:
        shared = self._shared
        return shared.registry.closed_reason(self._key) or shared.disabled.reason_of(self._key)

    def first_wait_s(self) -> float:
        return self._schedule().wait_s(1)

    async def attempt(self, delivery: Delivery) -> Attempt:
        """POST a delivery once."""
        prepared = self._shared.registry.prepared(self._key)
        if isinstance(prepared, Unreachable):
            return self._failed(delivery, prepared)
        try:
            return await self._shared.client.attempt(delivery, prepared)
        except Exception as exc:  # our bug must not lose the delivery, nor stop those of others
            log.exception("attempt.crashed", delivery_id=str(delivery.id))
            return self._failed(delivery, Unreachable(f"internal error: {type(exc).__name__}"))

    def outcome_of(self, attempt: Attempt) -> AttemptOutcome:
        return outcome_of(attempt.result)

    async def record(self, delivery: Delivery, attempt: Attempt, breaker: CircuitBreaker) -> datetime | None:
        """Decide what becomes of a delivery, report and store it."""
        shared, key = self._shared, self._key
        decision = decide(
            attempt.result,
            failures=delivery.failures,
            schedule=self._schedule(),
            now=shared.now(),
            jitter=shared.jitter(),
        )
        if decision.is_target_gone:
            shared.disabled.add(key, at=shared.now())
        shared.reporter.attempt_finished(delivery, attempt, decision)
        await store_when_possible(
            shared.outbox.finish(attempt, state=decision.state, next_attempt_at=decision.next_attempt_at),
            self.log_fields,
        )
        if decision.is_target_gone:
            await store_when_possible(shared.disabled.store(key), self.log_fields)
        if breaker.in_a_row or shared.away.knows(key):
            at_s = asyncio.get_running_loop().time()
            notice = shared.away.take_notice(key, attempt.result, breaker, at_s=at_s)
            await store_when_possible(notice, self.log_fields)
        return decision.next_attempt_at

    def cancelled(self, number: int, reason: str) -> None:
        self._shared.reporter.cancelled(self._key, number, reason)

    def brought_forward(self, number: int) -> None:
        self._shared.reporter.brought_forward(self._key, number)

    def _schedule(self) -> RetrySchedule:
        return self._shared.registry.schedule_of(self._key, self._shared.schedule)

    def _failed(self, delivery: Delivery, result: Unreachable) -> Attempt:
        return Attempt(
            delivery_id=delivery.id,
            number=delivery.attempts + 1,
            started_at=self._shared.now(),
            duration_ms=0.0,
            result=result,
        )
