"""A file system that a test can fill: a tmpfs of its own, unmounted when the test is over.

with SmallFileSystem(tmp_path / "small", size=8 * MIB) as small, Registry(tmp_path / "r", root=small.root):
    small.fill()
    ...                   # whatever the server writes is refused by the kernel: ENOSPC
    small.make_room()     # and now it is not

Mounted by root as any other. By another user in a user namespace of its own, which a process holds open: the
same files are then reached below /proc/PID/root. Where neither is permitted, a test is skipped.
"""

import contextlib
import errno
import itertools
import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.process import NotInstalledError

MIB = 1024 * 1024
PAGE = os.sysconf("SC_PAGE_SIZE")
TRIES = 20
# The process lives until its standard input is closed, and the mount is gone with it.
HELD = 'mount -t tmpfs -o "$1" tmpfs "$2" && echo mounted && exec cat'


class NotPermittedError(NotInstalledError):
    """What this machine does not let its user do; skips a test as a program that is missing."""


class SmallFileSystem:
    """A tmpfs of `size` bytes (whole pages) and, unless 0, of so many `inodes` for files and folders.

    Servers keep what they store in `root`. What makes it full lies beside that, so that they never see it.
    """

    def __init__(self, folder: Path, *, size: int, inodes: int = 0) -> None:
        self._mount_point = folder
        self._options = f"size={size},mode=0700" + (f",nr_inodes={inodes}" if inodes else "")
        self._holder: subprocess.Popen[str] | None = None
        self._path = folder

    @property
    def root(self) -> Path:
        return self._path / "root"

    def fill(self, *, leaving: int = 0) -> None:
        """Take all room but about `leaving` bytes: no file may grow beyond that."""
        for _ in range(TRIES):
            room = (self._free_bytes() - leaving) // PAGE * PAGE
            if room <= 0:
                return
            with (
                contextlib.suppress(OSError),
                self._filler("room").open("ab") as filler,
            ):  # the server writes too
                os.posix_fallocate(filler.fileno(), filler.tell(), room)
        raise OSError(errno.ENOSPC, f"{self._free_bytes()} bytes cannot be taken", str(self._path))

    def take_inodes(self, *, leaving: int = 0) -> None:
        """Take all inodes but `leaving`: files may grow, and no file or folder can be made."""
        made: list[Path] = []
        with contextlib.suppress(OSError):  # ENOSPC is what was wanted; _check_inodes looks for anything else
            for number in itertools.count():
                made.append(self._filler(f"inode-{number}"))
                made[-1].open("xb").close()
        for path in made[::-1][1 : leaving + 1]:
            path.unlink()
        self._check_inodes(leaving)

    def make_room(self) -> None:
        """Give back all that `fill` and `take_inodes` took."""
        for path in self._filler("").iterdir():
            path.unlink()

    def make_read_only(self) -> None:
        """As a kernel does after an error of the disk. There is no way back."""
        command = ["mount", "-o", "remount,bind,ro", str(self._mount_point)]
        if self._holder:
            inside = ["--user", "--mount", "--preserve-credentials"]
            command = ["nsenter", f"--target={self._holder.pid}", *inside, *command]
        if refusal := self._run(*command):
            raise NotPermittedError(f"no read-only file system here: {refusal}")

    def __enter__(self) -> Self:
        self._mount_point.mkdir(parents=True, exist_ok=True)
        self._mount()
        self.root.mkdir()
        self._filler("").mkdir()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._holder:
            self._holder.communicate()
        elif self._run(
            "umount", str(self._mount_point)
        ):  # a server that was not stopped: still has files open
            self._run("umount", "--lazy", str(self._mount_point))

    def _mount(self) -> None:
        refusal = self._run("mount", "-t", "tmpfs", "-o", self._options, "tmpfs", str(self._mount_point))
        if refusal:
            self._mount_held(refusal)

    def _mount_held(self, refusal: str) -> None:
        command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", HELD, "sh"]
        try:
            holder = subprocess.Popen(
                [*command, self._options, str(self._mount_point)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        except FileNotFoundError as missing:
            raise NotPermittedError(f"no small file system here: {refusal}; {missing}") from missing
        assert holder.stdout
        if holder.stdout.readline() != "mounted\n":
            _, why = holder.communicate()
            raise NotPermittedError(f"no small file system here: {refusal}; {why.strip()}")
        self._holder = holder
        self._path = Path(f"/proc/{holder.pid}/root") / self._mount_point.resolve().relative_to("/")

    def _run(self, *command: str) -> str:
        """What is wrong with it, in its own words; empty when nothing is."""
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError as missing:
            return str(missing)
        return done.stderr.strip() or "no reason given" if done.returncode else ""

    def _filler(self, name: str) -> Path:
        return self._path / "filler" / name

    def _free_bytes(self) -> int:
        stat = os.statvfs(self._path)
        return stat.f_bavail * stat.f_frsize

    def _check_inodes(self, expected: int) -> None:
        left = os.statvfs(self._path).f_favail
        if left != expected:
            raise OSError(errno.EBUSY, f"{left} inodes are left, not {expected}", str(self._path))
