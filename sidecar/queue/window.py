"""How many attempts one queue may have under way.

It begins with one, doubles with every success up to a limit and falls back to one with a failure, so
whoever comes back is not overrun and one that hangs holds one slot. The first slot of a queue is its own;
further ones come from a stock that all queues share, which dead ones therefore cannot use up.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from types import TracebackType


@dataclass(slots=True)
class SharedSlots:
    """The slots that queues have beyond their first."""

    free: int

    def take(self) -> bool:
        if self.free <= 0:
            return False
        self.free -= 1
        return True

    def give(self) -> None:
        self.free += 1


@dataclass(slots=True)
class Window:
    """An attempt enters it and leaves it; waits while it is full."""

    limit: int
    shared: SharedSlots
    size: int = 1
    in_flight: int = 0
    _waiting: deque[asyncio.Future[None]] = field(default_factory=deque)

    def note(self, *, is_success: bool) -> None:
        self.size = min(self.size * 2, self.limit) if is_success else 1

    def resize(self, limit: int) -> None:
        """Let it grow to another size, or shrink to it as attempts end."""
        self.limit = limit
        self.size = min(self.size, limit)

    async def __aenter__(self) -> None:
        while not self._enter():
            await self._wait()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.in_flight -= 1
        if self.in_flight:
            self.shared.give()
        self._wake()

    def _enter(self) -> bool:
        if self.in_flight >= self.size or (self.in_flight and not self.shared.take()):
            return False
        self.in_flight += 1
        return True

    async def _wait(self) -> None:
        # Only ever full while an attempt of this same queue is in flight: leaving wakes.
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self._wake()  # it was woken for nothing: let another one have it
            raise

    def _wake(self) -> None:
        for _ in range(self.size - self.in_flight):
            if not self._wake_one():
                return

    def _wake_one(self) -> bool:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return True
        return False
