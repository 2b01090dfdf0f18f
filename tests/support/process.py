"""Programs started for a test: on loopback, logging to a file, waited for, ended by their pid."""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
# Debian's PostgreSQL is in a folder of its version.
_POSTGRES = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
SEARCH_PATH = os.pathsep.join(
    [str(ROOT / ".tools" / "bin"), os.environ.get("PATH", ""), "/usr/sbin", *_POSTGRES]
)
INSTALL = "scripts/tools.sh installs it"
LEFT_OUT = False  # tests/conftest.py: --fast


class NotInstalledError(Exception):
    """A program that this machine lacks; its text says what to do."""


def find_program(*names: str) -> str:
    """The first of `names` that is installed: the project's own tools first, then PATH."""
    for name in names:
        if found := shutil.which(name, path=SEARCH_PATH):
            if LEFT_OUT:
                raise NotInstalledError(f"{' or '.join(names)} is left out of the fast tests")
            return found
    raise NotInstalledError(f"{' or '.join(names)} is not installed: {INSTALL}")


def is_installed(*names: str) -> bool:
    return not LEFT_OUT and any(shutil.which(name, path=SEARCH_PATH) for name in names)


def require_program(*names: str) -> str:
    """find_program for tests: skips with the reason on one line."""
    try:
        return find_program(*names)
    except NotInstalledError as missing:
        pytest.skip(str(missing))


_ports = iter(random.SystemRandom().sample(range(20_000, 32_000), 12_000))


def free_port() -> int:
    """A port nobody listens on, below the range from which the kernel gives ports to clients.

    Never one that was given before: a server that was killed comes back to its own.
    """
    for port in _ports:
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("all ports were given away")


def environment(**changes: str) -> dict[str, str]:
    """The environment without proxies, and with the project's own tools on PATH."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    return kept | {"PATH": SEARCH_PATH} | changes


class Process:
    """A server: started and awaited on entering the context, ended on leaving it."""

    name = "process"
    start_timeout_s = 30.0

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / f"{self.name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> Sequence[str]:
        raise NotImplementedError

    def environment(self) -> Mapping[str, str]:
        return environment()

    def is_ready(self) -> bool:
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process

    @property
    def pid(self) -> int:
        return self.process.pid

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(self.environment()),
                cwd=ROOT,
                start_new_session=True,
            )
        try:
            wait_until(self._is_up, self.start_timeout_s, what=f"{self.name} to be ready")
        except BaseException:
            self.stop()
            raise

    def _is_up(self) -> bool:
        status = self.process.poll()
        if status is not None:
            raise RuntimeError(f"{self.name} ended with status {status}:\n{self.log_tail()}")
        return self.is_ready()

    def stop(self, timeout_s: float = 10) -> int:
        """SIGTERM, then SIGKILL when it takes longer; the exit status."""
        process = self.process
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            return process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """SIGKILL to the process and what it started."""
        process = self.process
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        return process.wait(10)

    def log_lines(self) -> list[str]:
        return self.log.read_text(errors="replace").splitlines()

    def log_tail(self, lines: int = 20) -> str:
        return "\n".join(self.log_lines()[-lines:])


def wait_until(is_so: Callable[[], bool], timeout_s: float, *, what: str) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_s} s for {what}")
        time.sleep(0.02)


def answers(url: str, *statuses: int) -> bool:
    """Whether a GET is answered with one of `statuses` (any, when none is given)."""
    try:
        status = httpx.get(url, timeout=2, trust_env=False).status_code
    except httpx.TransportError:
        return False
    return not statuses or status in statuses
