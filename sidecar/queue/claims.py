"""The jobs of one queue that are claimed and not begun, and when there are more to claim."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Generic

from sidecar.queue.jobs import Jobs, JobT, KeyT, store_when_possible
from sidecar.queue.order import OrderedJobs


class Claims(Generic[KeyT, JobT]):
    """How many to have in hand at most, the batch, is said with each question."""

    def __init__(
        self,
        queue: KeyT,
        jobs: Jobs[KeyT, JobT],
        *,
        now: Callable[[], datetime],
        log_fields: Mapping[str, object],
    ) -> None:
        self._queue = queue
        self._jobs = jobs
        self._now = now
        self._log_fields = log_fields
        self._in_hand = OrderedJobs[JobT]()
        self._skipped: frozenset[str] = frozenset()  # order keys of which the last claim took nothing
        self.has_more = True  #: the store may have something that can be claimed
        self.next_due: datetime | None = None  #: when it will have something

    @property
    def ready(self) -> int:
        """How many jobs can be begun at once."""
        return self._in_hand.ready

    def wants_more(self, batch: int) -> bool:
        return self.has_more and self._in_hand.waiting <= batch // 2

    def has_too_many(self, batch: int) -> bool:
        return self._in_hand.waiting > 2 * batch

    async def claim(self, batch: int) -> None:
        """Raises StoreUnavailable."""
        self.has_more, self.next_due = False, None
        limit, self._skipped = batch - self._in_hand.waiting, self._in_hand.order_keys
        claimed = await self._jobs.claim(self._queue, limit=limit, now=self._now(), skip=self._skipped)
        self._in_hand.add(claimed.jobs)
        self.has_more |= claimed.is_full
        self.expect(claimed.next_due)

    def expect(self, at: datetime | None) -> None:
        """A job waits in the store until then."""
        if at:
            self.next_due = min(self.next_due or at, at)

    def wait_s(self) -> float:
        """How long until the next is due; 0 when it is, or none is known of."""
        return max((self.next_due - self._now()).total_seconds(), 0.0) if self.next_due else 0.0

    def next(self) -> JobT | None:
        """The job to begin now; `free` its order key when it has ended."""
        return self._in_hand.next()

    def free(self, order_key: str) -> None:
        if self._in_hand.free(order_key) and order_key in self._skipped:
            self.has_more = True

    async def give_back(self, dropped: Iterable[JobT] = ()) -> None:
        """Let go of what is not begun, and of what was begun and dropped; the store gets it when it can."""
        self.has_more = True
        left = [*dropped, *self._in_hand.drain()]
        if left:
            await store_when_possible(self._jobs.release(left), self._log_fields)
