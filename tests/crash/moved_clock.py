"""The real sidecar with a wall clock of its own: `python -m tests.crash.moved_clock OFFSET serve ...`.

OFFSET is a file that says by how many seconds the clock differs; it is read whenever the time is asked for.
Only the wall clock is moved, as by a person or NTP: `time.monotonic` is left alone, as the kernel leaves it.
"""

import datetime as dt
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self


def move(offset_s: Callable[[], float]) -> None:
    """Move the clock of this process; to be called before anything imports `datetime` from its module."""
    true_time = time.time

    class Moved(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Self:
            return cls.fromtimestamp(time.time(), tz)

    time.time = lambda: true_time() + offset_s()
    dt.datetime = Moved  # type: ignore[misc]


if __name__ == "__main__":
    path = Path(sys.argv[1])
    move(lambda: float(path.read_text()))

    from sidecar.commands.cli import main

    main(sys.argv[2:])
