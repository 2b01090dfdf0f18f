"""The one owner of what goes on beside requests: an exception that nobody thought of ends none of it.

It is logged with its place, counted, and the work is begun again after a pause that grows while it fails.
Only being cancelled, and the end of the process, pass.
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
        """`on_failure` is told the name of what has failed."""
        self._on_failure = on_failure

    async def keep(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        """Run work until it returns, however often that takes."""
        pause_s = _FIRST_PAUSE_S
        while not await self.attempt(name, work):
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def every(self, interval_s: float, name: str, work: Callable[[], Awaitable[object]]) -> None:
        """Do work again and again; less often while it fails."""
        pause_s = interval_s
        while True:
            is_done = await self.attempt(name, work)
            pause_s = interval_s if is_done else min(max(2 * pause_s, _FIRST_PAUSE_S), _LONGEST_PAUSE_S)
            await asyncio.sleep(max(pause_s, interval_s))

    async def attempt(self, name: str, work: Callable[[], Awaitable[object]]) -> bool:
        """Do work once; False when it failed. A store that is away is no failure: it is known, and said."""
        try:
            await work()
        except StoreUnavailable as exc:
            log.warning("store.unavailable", error=str(exc))
        except asyncio.CancelledError as exc:
            if is_cancelled():
                raise
            self.failed(name, exc)  # something that was waited for was cancelled, not this
            return False
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:  # noqa: BLE001  # extension modules raise such, too
            self.failed(name, exc)
            return False
        return True

    def failed(self, name: str, error: BaseException) -> None:
        """Log and count what has failed for a reason that nobody thought of."""
        log_failure(name, error)
        self._on_failure(name)

    def loop_failed(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What the event loop itself hands on: an exception in a callback, or one that nobody fetched."""
        error = context.get("exception")
        if isinstance(error, BaseException):
            self.failed("loop", error)
        else:
            log.warning("loop.complained", error=str(context.get("message", "")))


def is_cancelled() -> bool:
    """Whether it is the current task that was cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
