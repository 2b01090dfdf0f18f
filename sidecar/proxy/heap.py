"""Returns free memory to the system.

The C library keeps freed memory for reuse: after many concurrent bodies a process would stay as large
as it was then.
"""

import asyncio
import ctypes
import gc
from typing import Final

from sidecar.proxy.budget import Budget

#: Time for ended requests to be freed.
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
        gc.collect()  # bodies of ended connections are in reference cycles
        trim()


def trim() -> None:
    """If the C library can (glibc); others do it automatically, or not at all."""
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)
