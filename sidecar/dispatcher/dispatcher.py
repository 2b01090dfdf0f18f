"""Delivers what the store keeps: joins the queues of deliveries, the targets and the client that posts.

Which targets have work, and when each is asked, is the business of `sidecar.queue`.
"""

import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sidecar.dispatcher.attempt import TargetClient
from sidecar.dispatcher.away import AwayNotes
from sidecar.dispatcher.corrected_targets import SucceededOutbox
from sidecar.dispatcher.disabled import DisabledSnapshot
from sidecar.dispatcher.reporting import DeliveryCounter, Reporter
from sidecar.dispatcher.request import make_tls_contexts
from sidecar.dispatcher.target_registry import TargetRegistry, Targets
from sidecar.dispatcher.target_work import Dependencies, TargetWork
from sidecar.model.defaults import ATTEMPT_TIMEOUT_S, TARGET_CONCURRENCY
from sidecar.model.delivery import Attempt, Delivery, TargetKey
from sidecar.policies.egress_rules import EgressRules
from sidecar.queue.circuit_breaker import LONGEST_PAUSE_S
from sidecar.queue.keeper import QueueKeeper
from sidecar.queue.pace import QueueSettings
from sidecar.queue.schedule import RetrySchedule
from sidecar.queue.window import SharedSlots
from sidecar.store.faults import log_failure
from sidecar.store.outbox import Outbox


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatcherSettings:
    """How deliveries are sent."""

    schedule: RetrySchedule = field(default_factory=RetrySchedule)
    timeout_s: float = ATTEMPT_TIMEOUT_S  #: one whole attempt
    egress: EgressRules = field(default_factory=EgressRules)
    concurrency: int = TARGET_CONCURRENCY  #: attempts under way to one target
    shared_slots: int = 1000  #: attempts under way beyond the first of each target, all together
    trust_env: bool = True  #: use HTTP_PROXY, HTTPS_PROXY and NO_PROXY
    #: How long a policy must be gone or disabled before what waits for it is cancelled: worker processes do
    #: not read a changed configuration in the same instant, and deliveries may come before their policy.
    closing_grace_s: float = 2.0
    longest_pause_s: float = LONGEST_PAUSE_S  #: between attempts at a target that fails and fails
    poll_s: float = 5.0  #: how often to look for deliveries stored by another process


def _now() -> datetime:
    return datetime.now(UTC)


class Dispatcher:
    def __init__(
        self,
        *,
        outbox: Outbox,
        targets: Callable[[], Targets],
        is_enabled: Callable[[], bool],
        settings: DispatcherSettings,
        counter: DeliveryCounter | None = None,
        now: Callable[[], datetime] = _now,
        jitter: Callable[[], float] = random.random,
        on_failure: Callable[[str, BaseException], None] = log_failure,
    ) -> None:
        """`targets` and `is_enabled` return the current configuration: see `policies_changed`.

        on_failure   gets what failed by a bug of ours; it goes on all the same
        """
        self._registry = TargetRegistry(
            targets=targets,
            is_enabled=is_enabled,
            tls=make_tls_contexts(),
            environment=dict(os.environ) if settings.trust_env else {},
        )
        self._work = Dependencies(
            outbox=outbox,
            client=TargetClient(timeout_s=settings.timeout_s, rules=settings.egress, now=now),
            registry=self._registry,
            disabled=DisabledSnapshot(outbox.disabled, self._registry),
            away=AwayNotes(outbox.away, self._registry, now),
            reporter=Reporter(counter, self._registry.host_of),
            schedule=settings.schedule,
            now=now,
            jitter=jitter,
        )
        self._queue_settings = QueueSettings(
            concurrency=settings.concurrency,
            shared=SharedSlots(settings.shared_slots),
            closing_grace_s=settings.closing_grace_s,
            longest_pause_s=settings.longest_pause_s,
            now=now,
        )
        self._jobs = SucceededOutbox(outbox, self._registry)
        self._queues: QueueKeeper[TargetKey, Delivery, Attempt] = QueueKeeper(
            self._jobs,
            lambda key: TargetWork(key, self._work),
            self._queue_settings,
            names=("dispatcher", "target"),
            poll_s=settings.poll_s,
            before_poll=(self._jobs.follow, self._work.disabled.follow, self._work.away.follow),
            on_failure=on_failure,
        )

    async def run(self) -> None:
        """Deliver until `stop` is called."""
        self._registry.refresh()
        async with self._work.client:
            await self._queues.run()

    async def stop(self, grace_s: float) -> None:
        """Begin no attempt any more; what is not answered within the grace goes back to the store."""
        await self._queues.stop(grace_s)

    @property
    def targets_disabled(self) -> int:
        """How many targets answered 410 Gone and get nothing."""
        return self._work.disabled.number

    def policies_changed(self) -> None:
        """Policies, targets or the global switch have changed: take them as they are now."""
        self._registry.refresh()
        self._jobs.policies_changed()
        self._work.disabled.policies_changed()
        self._work.away.void()
        self._queues.reconfigured()

    def reconfigure(self, settings: DispatcherSettings) -> None:
        """Use another schedule, time limit and egress rules from the next attempt on."""
        self._work.schedule = settings.schedule
        self._work.client.reconfigure(timeout_s=settings.timeout_s, rules=settings.egress)
        self._queue_settings.concurrency = settings.concurrency
