"""What a kind of job consists of: the job, where its jobs are kept, and what is done with one.

A kind has queues, each with a key of its own. Of one queue only so many jobs are tried at a time, and
those with the same order key one after the other.
"""

from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar
from uuid import UUID

import structlog

from sidecar.model.errors import StoreUnavailable
from sidecar.queue.circuit_breaker import AttemptOutcome, CircuitBreaker

log = structlog.get_logger()


class Job(Protocol):
    """What a queue has to know of a job."""

    @property
    def id(self) -> UUID: ...

    @property
    def order_key(self) -> str:
        """Jobs of a queue with the same key are tried one at a time, in the order they were stored."""


KeyT = TypeVar("KeyT")
JobT = TypeVar("JobT", bound=Job)
JobT_contra = TypeVar("JobT_contra", bound=Job, contravariant=True)
JobT_co = TypeVar("JobT_co", bound=Job, covariant=True)
ResultT = TypeVar("ResultT")


class ClaimedJobs(Protocol[JobT_co]):
    """What a claim has brought."""

    @property
    def jobs(self) -> Sequence[JobT_co]:
        """Due ones, oldest first; nobody else gets them before they are released or recorded."""

    @property
    def is_full(self) -> bool:
        """As many as were asked for: there may be more."""

    @property
    def next_due(self) -> datetime | None:
        """If not full: when the next one is due whose order key was not skipped; None when there is none."""


class Jobs(Protocol[KeyT, JobT]):
    """Where the jobs of one kind are kept. Everything but `on_stored` raises StoreUnavailable."""

    def on_stored(self, callback: Callable[[frozenset[KeyT]], None], /) -> None:
        """Call back on the event loop with the queues that jobs were stored for."""

    async def claim(
        self, queue: KeyT, /, *, limit: int, now: datetime, skip: Collection[str]
    ) -> ClaimedJobs[JobT]:
        """Take due jobs of a queue, oldest first, but for those with the order keys to skip."""

    async def release(self, jobs: Collection[JobT], /) -> None:
        """Give back what was claimed and not tried."""

    async def bring_forward(
        self, queue: KeyT, /, *, away_since: datetime, back_at: datetime, limit: int
    ) -> int:
        """Make due what failed while whoever does the work was away; how many that were, `limit` at most."""

    async def cancel_waiting(self, queue: KeyT, /, *, reason: str) -> int:
        """Cancel what waits in a queue; how many that were."""

    async def queues_waiting(self) -> Mapping[KeyT, datetime]:
        """Every queue that jobs wait in, and when the next is due."""


class Work(Protocol[JobT_contra, ResultT]):
    """What is done with the jobs of one queue. The result of an attempt is the kind's own."""

    @property
    def log_fields(self) -> Mapping[str, object]:
        """Which queue it is, for lines of the log."""

    def closed_reason(self) -> str:
        """Why no job may be tried at all; "" when they may. What waits is cancelled when that lasts."""

    def first_wait_s(self) -> float:
        """How long the first pause is, of a queue that fails again and again."""

    async def attempt(self, job: JobT_contra, /) -> ResultT:
        """Try a job once. Failures are results; nothing is raised."""

    def outcome_of(self, result: ResultT, /) -> AttemptOutcome:
        """What a result says of whoever does the work."""

    async def record(self, job: JobT_contra, result: ResultT, breaker: CircuitBreaker, /) -> datetime | None:
        """Store what becomes of a job; when it is due again, None when it is not.

        breaker   what is known of whoever does the work, this attempt included
        """

    def cancelled(self, number: int, reason: str, /) -> None:
        """So many jobs were cancelled."""

    def brought_forward(self, number: int, /) -> None:
        """So many jobs are due at once, since whoever does the work is back."""


async def store_when_possible(writing: Coroutine[Any, Any, None], fields: Mapping[str, object]) -> None:
    """Write what the store keeps in memory while it is away: nothing is to be done but to say so."""
    try:
        await writing
    except StoreUnavailable as exc:
        log.warning("store.unavailable", error=str(exc), **fields)
