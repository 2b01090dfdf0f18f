"""Runs `scripts/tools.sh` during the demonstration, showing each of its lines as it comes."""

import contextlib
import os
import signal
import subprocess
import threading
from types import TracebackType
from typing import Self

from demo import screen
from tests.support.process import ROOT


class Build:
    """One run of scripts/tools.sh, in a process group of its own, with the lowest priority."""

    def __init__(self, *groups: str) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - the words are those of this project
            ["nice", "-n", "10", str(ROOT / "scripts" / "tools.sh"), *groups],  # noqa: S607
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
        )
        self._reader = threading.Thread(target=self._show, daemon=True)

    def __enter__(self) -> Self:
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Compilers end at once when they are interrupted, and `go` removes their files."""
        for number in (signal.SIGINT, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
                return

    def is_running(self) -> bool:
        return self._process.poll() is None

    def wait(self) -> bool:
        """Whether everything was built; errors have been shown."""
        status = self._process.wait()
        self._reader.join()
        return status == 0

    def _show(self) -> None:
        for line in self._process.stdout or ():
            screen.note(line.rstrip())
