"""How much memory all clients together may make this process hold, and who holds it.

One Budget for each process; each request has a Share of it, which gives everything back when the request
and what is recorded of it have ended. Whoever keeps bytes of a client takes them from the share first, and
goes without when there are none left: a request that has not begun is refused (`refusals.no_memory_left`),
a copy is not kept. What was taken is never taken away again.
"""

from collections.abc import Callable
from typing import Final, Self

from sidecar.model import defaults

MIB: Final = 1024 * 1024
#: Less is not worth the milliseconds that it takes.
WORTH_GIVING_BACK_BYTES: Final = 16 * MIB
#: What a body on its way may hold: the first have the most, for speed.
MOST_FOR_A_BODY_BYTES: Final = 2 * MIB
LEAST_FOR_A_BODY_BYTES: Final = 256 * 1024
_BODIES_AT_THE_MOST: Final = 64


class Budget:
    """The bytes that all requests hold, and the most that they may hold."""

    def __init__(self, limit_bytes: int = defaults.CLIENT_MEMORY_BYTES) -> None:
        #: May be set while it is in use; what is held already stays, even where it is more.
        self.limit_bytes = limit_bytes
        self.held_bytes = 0
        #: Asked to give back so much, where that is missing: of what nobody would miss.
        self.reclaim: Callable[[int], None] = lambda _: None

        #: Called when most of what was held has been given back.
        self.fallen: Callable[[], None] = lambda: None
        self._most_bytes = 0  # since it was called last

    def add(self, size_bytes: int) -> None:
        """Hold so much more, or less."""
        self.held_bytes += size_bytes
        if self.held_bytes > self._most_bytes:
            self._most_bytes = self.held_bytes
        elif self._most_bytes - self.held_bytes > max(WORTH_GIVING_BACK_BYTES, 3 * self.held_bytes):
            self._most_bytes = self.held_bytes
            self.fallen()

    def has(self, size_bytes: int) -> bool:
        """Whether so much can be taken, after what can be reclaimed was."""
        if size_bytes > self.free_bytes:
            self.reclaim(size_bytes - self.free_bytes)
        return size_bytes <= self.free_bytes

    @property
    def free_bytes(self) -> int:
        return max(self.limit_bytes - self.held_bytes, 0)

    def share(self) -> "Share":
        return Share(self)


class Share:
    """What one request holds of the budget.

    with budget.share() as share:
        if not share.take(len(body)):
            ...  # there is no room: refuse, or do without a copy
    """

    def __init__(self, budget: Budget) -> None:
        self.held_bytes = 0
        self._budget = budget
        self._holders = 1

    def take(self, size_bytes: int) -> bool:
        """Take so much more; False, and nothing is taken, where that would be more than the limit."""
        if not self._budget.has(size_bytes):
            return False
        self.held_bytes += size_bytes
        self._budget.add(size_bytes)
        return True

    def take_for_body(self, length: int | None) -> int:
        """Take what a body may hold on its way, for whom its reader waits; 0 where there is no room.

        length  of the body, None when it is not known
        Half of the limit is given out generously, less and less; of the rest each body gets the least.
        """
        spare_bytes = self._budget.free_bytes - self._budget.limit_bytes // 2
        size_bytes = min(
            max(spare_bytes // _BODIES_AT_THE_MOST, LEAST_FOR_A_BODY_BYTES), MOST_FOR_A_BODY_BYTES
        )
        if length is not None:
            size_bytes = min(size_bytes, max(2 * length, 1))
        return size_bytes if self.take(size_bytes) else 0

    def release(self, size_bytes: int) -> None:
        """Give so much back, before the request ends; never more than it holds."""
        released = min(max(size_bytes, 0), self.held_bytes)
        self.held_bytes -= released
        self._budget.add(-released)

    def hold(self) -> Callable[[], None]:
        """Keep it beyond the request, until the answer is called: once, by work that goes on afterwards."""
        self._holders += 1
        return self._leave

    def _leave(self) -> None:
        self._holders -= 1
        if not self._holders:
            self.release(self.held_bytes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()
