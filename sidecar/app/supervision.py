"""The owner of all background work: an unexpected exception does not end it.

The exception is logged with its origin and counted, and the work is restarted after a pause that grows while it
keeps failing. Only cancellation and the end of the process propagate.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog

from sidecar.model.errors import StoreUnavailable
from sidecar.store.faults import log_failure

log = structlog.get_logger()

_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 30.0


class Supervisor:
    def __init__(self, on_failure: Callable[[str], None] = lambda _name: None) -> None:
        """`on_failure` is called with the name of the failed work."""
        self._on_failure = on_failure

    async def keep(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        """Run work until it returns, restarting it as often as necessary."""
        pause_s = _FIRST_PAUSE_S
        while not await self.attempt(name, work):
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def every(self, interval_s: float, name: str, work: Callable[[], Awaitable[object]]) -> None:
        """Repeat work, less often while it fails."""
        pause_s = interval_s
        while True:
            is_done = await self.attempt(name, work)
            pause_s = interval_s if is_done else min(max(2 * pause_s, _FIRST_PAUSE_S), _LONGEST_PAUSE_S)
            await asyncio.sleep(max(pause_s, interval_s))

    async def attempt(self, name: str, work: Callable[[], Awaitable[object]]) -> bool:
        """Do work once; False when it failed. An unavailable store is not a failure: it is reported elsewhere."""
        try:
            await work()
        except StoreUnavailable as exc:
            log.warning("store.unavailable", error=str(exc))
        except asyncio.CancelledError as exc:
            if is_cancelled():
                raise
            self.failed(name, exc)  # an awaited task was cancelled, not this one
            return False
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:  # noqa: BLE001  # extension modules raise such, too
            self.failed(name, exc)
            return False
        return True

    def failed(self, name: str, error: BaseException) -> None:
        """Log and count an unexpected failure."""
        log_failure(name, error)
        self._on_failure(name)

    def loop_failed(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Handles errors that the event loop reports: an exception in a callback, or one never retrieved."""
        error = context.get("exception")
        if isinstance(error, BaseException):
            self.failed("loop", error)
        else:
            log.warning("loop.complained", error=str(context.get("message", "")))


def is_cancelled() -> bool:
    """Whether it is the current task that was cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
