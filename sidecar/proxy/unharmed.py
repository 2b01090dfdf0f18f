"""Functions that the proxy is handed may fail: their faults must not reach the client."""

from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

import structlog

log = structlog.get_logger()

_Answer = TypeVar("_Answer")
_Given = ParamSpec("_Given")


def unharmed(hook: Callable[_Given, _Answer], *args: _Given.args, **kwargs: _Given.kwargs) -> _Answer | None:
    """A hook's answer, or None when it failed."""
    try:
        return hook(*args, **kwargs)
    except Exception:
        log.exception("hook.failed")
        return None


async def unharmed_work(work: Awaitable[None]) -> None:
    try:
        await work
    except Exception:
        log.exception("hook.failed")
