"""Gives memory that is free back to the system.

The C library keeps what was freed for the next time: after many bodies at once a process would stay as large
as it was then, for as long as it lives.
"""

import asyncio
import ctypes
import gc
from typing import Final

from sidecar.proxy.budget import Budget

#: For what has just ended to be freed.
_WAIT_S: Final = 1.0


class Heap:
    """Trims the heap after requests have given back most of what they held."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._is_waiting = False
        budget.fallen = self._trim_soon

    def _trim_soon(self) -> None:
        if not self._is_waiting:
            self._is_waiting = True
            asyncio.get_running_loop().call_later(_WAIT_S, self._trim)

    def _trim(self) -> None:
        self._is_waiting = False
        gc.collect()  # bodies of connections that ended hang on cycles
        trim()


def trim() -> None:
    """Where the C library can (glibc); others do it by themselves, or not at all."""
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)
