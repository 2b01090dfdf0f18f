"""The number of connections that this process may have open: the system's limit, raised as far as possible.

A request needs two, the client's and the upstream's. Without free descriptors nothing can be accepted or
opened; so clients are answered 503 before that.
"""

import resource
from collections.abc import Callable
from typing import Final

#: Reserved for the store, the dispatcher, log files and others.
_OURS: Final = 128
_OF_A_REQUEST: Final = 2
_LEAST: Final = 16
#: More than needed; some systems report no limit.
_MOST: Final = 1024 * 1024


def most_connections() -> int:
    """Of clients."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard if hard != resource.RLIM_INFINITY else _MOST, _MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max((wanted - _OURS) // _OF_A_REQUEST, _LEAST)


class OpenConnections:
    """How many clients are connected, and whether there may be one more."""

    def __init__(self, make_room: Callable[[], None]) -> None:
        """`make_room` closes some that can be spared."""
        self._make_room = make_room
        self.most = most_connections()
        self.number = 0

    def has_room(self) -> bool:
        """Whether there may be one more connection, after idle ones were closed where there are too many."""
        if self.number >= self.most:
            self._make_room()
        return self.number < self.most
