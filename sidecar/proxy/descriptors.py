"""How many connections this process may have open: the system's limit, raised as far as it goes.

A request needs two, the client's and the upstream's. Where the last one is taken nobody is accepted any more,
and nothing can be opened; so clients are answered 503 before that.
"""

import resource
from typing import Final

#: For the store, the dispatcher, log files and what else is open.
_OURS: Final = 128
_OF_A_REQUEST: Final = 2
_LEAST: Final = 16
#: More than anybody needs; some systems say that there is no limit.
_MOST: Final = 1024 * 1024


def most_connections() -> int:
    """Of clients."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard if hard != resource.RLIM_INFINITY else _MOST, _MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max((wanted - _OURS) // _OF_A_REQUEST, _LEAST)
