"""The claimed deliveries of one target that are not sent yet, in a lane for each repository.

Pure. Of a lane at most one delivery is on its way, so a repository's order is kept.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from sidecar.model.delivery import Delivery


@dataclass(slots=True)
class RepositoryQueues:
    """A repository is in `_queues` while it has unsent deliveries or one on its way."""

    _queues: dict[str, deque[Delivery]] = field(default_factory=dict)
    _ready: deque[str] = field(default_factory=deque)  #: lanes with deliveries and none on its way
    unsent: int = 0

    @property
    def repositories(self) -> frozenset[str]:
        return frozenset(self._queues)

    @property
    def ready(self) -> int:
        """How many deliveries could be sent at once."""
        return len(self._ready)

    def add(self, deliveries: Iterable[Delivery]) -> None:
        for delivery in deliveries:
            if delivery.repository not in self._queues:
                self._queues[delivery.repository] = deque()
                self._ready.append(delivery.repository)
            self._queues[delivery.repository].append(delivery)
            self.unsent += 1

    def next(self) -> Delivery | None:
        """The delivery to send now; its lane is closed until `free`."""
        if not self._ready:
            return None
        self.unsent -= 1
        return self._queues[self._ready.popleft()].popleft()

    def free(self, repository: str) -> bool:
        """Open a lane again; True when it is empty and gone."""
        if self._queues[repository]:
            self._ready.append(repository)
            return False
        del self._queues[repository]
        return True

    def drain(self) -> list[Delivery]:
        """Take out everything unsent; lanes with a delivery on its way stay."""
        drained = [delivery for queue in self._queues.values() for delivery in queue]
        for repository in self._ready:
            del self._queues[repository]
        for queue in self._queues.values():
            queue.clear()
        self._ready.clear()
        self.unsent = 0
        return drained
