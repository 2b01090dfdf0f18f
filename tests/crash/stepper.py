"""The real sidecar, killed by SIGKILL at its n-th step.

A step is the moment before or after one of the calls below; nothing of what they do is changed. Each is
written down. Starting up takes no steps: counting begins when the file `armed` exists.

Processes come from a fork server that has imported everything: hundreds are started.
"""

import functools
import multiprocessing
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from sidecar.commands.cli import main as cli
from sidecar.dispatcher.attempt import TargetClient
from sidecar.proxy.upstream import Upstream
from sidecar.recording.admission import Admission
from sidecar.recording.recorder import Recorder
from sidecar.store.outbox import Outbox
from sidecar.store.writer import Writer

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    ["tests.crash.stepper", "sidecar.app.process", "sidecar.commands.cli", "uvloop"]
)


@dataclass(slots=True)
class Steps:
    """Counts steps, and kills the process at one of them."""

    folder: Path  #: where `armed` appears and `steps` is written
    kill_at: int  #: 0 = never
    count: int = 0

    def take(self, name: str) -> None:
        if not (self.folder / "armed").exists():
            return
        self.count += 1
        with (self.folder / "steps").open("a") as steps:
            steps.write(f"{self.count} {name}\n")
        if self.count == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


def start(configuration: Path, *, kill_at: int, log: Path) -> ForkServerProcess:
    """`sidecar serve` in a process of its own, stepping."""
    process = _FORKS.Process(target=_serve, args=(configuration, kill_at, log), daemon=True)
    process.start()
    return process


def _serve(configuration: Path, kill_at: int, log: Path) -> None:
    with log.open("ab") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    _wrap(Steps(configuration.parent, kill_at))
    cli(["serve", "--config", str(configuration)])


def _wrap(steps: Steps) -> None:
    for owner, name in _CALLS:
        _around(steps, owner, name)
    _around_commit(steps)


_CALLS: tuple[tuple[type, str], ...] = (
    (Admission, "admit"),
    (Recorder, "record"),
    (Upstream, "send"),
    (Outbox, "claim"),
    (Outbox, "finish"),
    (TargetClient, "attempt"),
)


def _around(steps: Steps, owner: type, name: str) -> None:
    """Make the moments before and after an async method steps."""
    original: Callable[..., Awaitable[Any]] = getattr(owner, name)

    @functools.wraps(original)
    async def stepped(*args: Any, **kwargs: Any) -> Any:
        steps.take(f"before {owner.__name__}.{name}")
        result = await original(*args, **kwargs)
        steps.take(f"after {owner.__name__}.{name}")
        return result

    setattr(owner, name, stepped)


def _around_commit(steps: Steps) -> None:
    """In the writer thread: between the units of a group, before and after its COMMIT."""
    original = Writer._commit

    def stepped(self: Writer, group: Any) -> None:
        steps.take("before commit")
        original(self, group)
        steps.take("after commit")

    Writer._commit = stepped  # type: ignore[method-assign]
