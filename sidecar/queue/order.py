"""The claimed jobs of one queue that are not begun yet, in a line for each order key.

Pure. Of a line at most one job is under way, so the order within it is kept.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic

from sidecar.queue.jobs import JobT


@dataclass(slots=True)
class OrderedJobs(Generic[JobT]):
    """An order key is in `_lines` while it has jobs that are not begun or one under way."""

    _lines: dict[str, deque[JobT]] = field(default_factory=dict)
    _ready: deque[str] = field(default_factory=deque)  #: keys with jobs and none under way
    waiting: int = 0  #: jobs that are not begun

    @property
    def order_keys(self) -> frozenset[str]:
        return frozenset(self._lines)

    @property
    def ready(self) -> int:
        """How many jobs could be begun at once."""
        return len(self._ready)

    def add(self, jobs: Iterable[JobT]) -> None:
        for job in jobs:
            key = job.order_key
            if key not in self._lines:
                self._lines[key] = deque()
                self._ready.append(key)
            self._lines[key].append(job)
            self.waiting += 1

    def next(self) -> JobT | None:
        """The job to begin now; those behind it wait until `free`."""
        if not self._ready:
            return None
        self.waiting -= 1
        return self._lines[self._ready.popleft()].popleft()

    def free(self, order_key: str) -> bool:
        """The job under way has ended; True when no other waits behind it."""
        if self._lines[order_key]:
            self._ready.append(order_key)
            return False
        del self._lines[order_key]
        return True

    def drain(self) -> list[JobT]:
        """Take out everything that is not begun; keys with a job under way stay."""
        drained = [job for line in self._lines.values() for job in line]
        for key in self._ready:
            del self._lines[key]
        for line in self._lines.values():
            line.clear()
        self._ready.clear()
        self.waiting = 0
        return drained
