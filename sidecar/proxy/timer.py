"""A time after which something is done, unless it is stopped before."""

import asyncio
from collections.abc import Callable


class Timer:
    """Runs once or not at all; may be started again."""

    __slots__ = ("_handle", "_loop", "_ring")

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._handle: asyncio.TimerHandle | None = None

    @property
    def is_running(self) -> bool:
        return self._handle is not None

    def start(self, delay_s: float) -> None:
        """Begin anew, also when it is running."""
        self.stop()
        self._handle = self._loop.call_later(delay_s, self._over)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _over(self) -> None:
        self._handle = None
        self._ring()
