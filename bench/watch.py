"""Memory and processor time of a process, seen from outside."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

MIB = 1 << 20
_EVERY_S = 0.02


@dataclass(slots=True)
class Usage:
    """What a process took while it was watched; filled when the watch ends."""

    idle_mib: float  #: resident memory when the watch began
    peak_mib: float = 0.0
    cpu_s: float = 0.0

    @property
    def grown_mib(self) -> float:
        return max(self.peak_mib - self.idle_mib, 0.0)


def rss_mib(pid: int) -> float:
    return float(psutil.Process(pid).memory_info().rss) / MIB


def cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


@contextmanager
def watched(pid: int) -> Iterator[Usage]:
    usage = Usage(idle_mib=rss_mib(pid))
    begun_s = cpu_s(pid)
    is_over = threading.Event()

    def look() -> None:
        while not is_over.wait(_EVERY_S):
            usage.peak_mib = max(usage.peak_mib, rss_mib(pid))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield usage
    finally:
        is_over.set()
        watcher.join()
        usage.peak_mib = max(usage.peak_mib, rss_mib(pid))
        usage.cpu_s = cpu_s(pid) - begun_s
