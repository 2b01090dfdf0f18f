"""The memory that all clients together may use in this process.

There is one Budget per process; each request has a Share of it, which gives everything back when the request
and its recording have ended. Code that stores bytes of a client takes them from the share first, and does without
when nothing is left: a new request is refused (`refusals.no_memory_left`), a copy is abandoned.
What was taken is never revoked.
"""

from collections.abc import Callable
from typing import Final, Self

from sidecar.model import defaults

MIB: Final = 1024 * 1024
#: Less is not worth the milliseconds that trimming takes.
WORTH_GIVING_BACK_BYTES: Final = 16 * MIB
#: The buffers of one body in transfer: the first bodies get the most, for speed.
MOST_FOR_A_BODY_BYTES: Final = 2 * MIB
LEAST_FOR_A_BODY_BYTES: Final = 256 * 1024
_BODIES_AT_THE_MOST: Final = 64


class Budget:
    """The bytes taken by all requests, and their limit."""

    def __init__(self, limit_bytes: int = defaults.CLIENT_MEMORY_BYTES) -> None:
        #: May be changed at any time; what was taken before stays, even beyond the limit.
        self.limit_bytes = limit_bytes
        self.taken_bytes = 0
        #: Called when that many bytes are missing, to free memory that is not needed.
        self.reclaim: Callable[[int], None] = lambda _: None

        #: Called when most of the taken memory has been given back.
        self.fallen: Callable[[], None] = lambda: None
        self._most_bytes = 0  # since the last call

    def add(self, size_bytes: int) -> None:
        """Take more bytes, or give back, if negative."""
        self.taken_bytes += size_bytes
        if self.taken_bytes > self._most_bytes:
            self._most_bytes = self.taken_bytes
        elif self._most_bytes - self.taken_bytes > max(WORTH_GIVING_BACK_BYTES, 3 * self.taken_bytes):
            self._most_bytes = self.taken_bytes
            self.fallen()

    def has(self, size_bytes: int) -> bool:
        """Whether that many bytes can be taken, reclaiming memory if necessary."""
        if size_bytes > self.free_bytes:
            self.reclaim(size_bytes - self.free_bytes)
        return size_bytes <= self.free_bytes

    @property
    def free_bytes(self) -> int:
        return max(self.limit_bytes - self.taken_bytes, 0)

    def share(self) -> "Share":
        return Share(self)


class Share:
    """The part of the budget taken by one request.

    with budget.share() as share:
        if not share.take(len(body)):
            ...  # no memory left: refuse, or do without a copy
    """

    def __init__(self, budget: Budget) -> None:
        self.taken_bytes = 0
        self._budget = budget
        self._users = 1

    def take(self, size_bytes: int) -> bool:
        """Take more bytes; False, and nothing is taken, if that would exceed the limit."""
        if not self._budget.has(size_bytes):
            return False
        self.taken_bytes += size_bytes
        self._budget.add(size_bytes)
        return True

    def take_for_body(self, length: int | None) -> int:
        """Take the buffers of a body in transfer, and return their size; 0 if there is no memory.

        length  of the body, None when it is not known
        Half of the limit is given out in decreasing amounts; from the rest each body gets the minimum.
        """
        spare_bytes = self._budget.free_bytes - self._budget.limit_bytes // 2
        size_bytes = min(
            max(spare_bytes // _BODIES_AT_THE_MOST, LEAST_FOR_A_BODY_BYTES), MOST_FOR_A_BODY_BYTES
        )
        if length is not None:
            size_bytes = min(size_bytes, max(2 * length, 1))
        return size_bytes if self.take(size_bytes) else 0

    def release(self, size_bytes: int) -> None:
        """Give bytes back before the request ends; never more than were taken."""
        released = min(max(size_bytes, 0), self.taken_bytes)
        self.taken_bytes -= released
        self._budget.add(-released)

    def retain(self) -> Callable[[], None]:
        """Keep it beyond the request; the work that continues must call the result once when it ends."""
        self._users += 1
        return self._leave

    def _leave(self) -> None:
        self._users -= 1
        if not self._users:
            self.release(self.taken_bytes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()
