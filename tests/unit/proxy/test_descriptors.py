import resource
import subprocess
import sys

import pytest

from sidecar.proxy.descriptors import OpenConnections

PROGRAM = """
import resource
from sidecar.proxy.descriptors import most_connections
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
print(most_connections(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "most"),
    [(256, 1024, 448), (1024, 1024, 448), (100, 100, 16)],
)
def test_limit_is_raised_and_leaves_room_for_upstreams_and_for_us(soft: int, hard: int, most: int) -> None:
    """In a process of its own: what was lowered cannot be raised again."""
    command = [sys.executable, "-c", PROGRAM.format(soft=soft, hard=hard)]
    answer = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    assert answer.split() == [str(most), str(hard), str(hard)]
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 0


def test_room_is_made_before_a_connection_is_turned_away() -> None:
    asked: list[int] = []

    def close_one() -> None:
        asked.append(connections.number)
        if len(asked) == 1:
            connections.number -= 1

    connections = OpenConnections(close_one)
    connections.most = connections.number = 2
    assert connections.has_room()
    connections.number += 1
    assert not connections.has_room()
    assert asked == [2, 2]
