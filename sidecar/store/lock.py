"""One sidecar for each data folder, held by a lock that the kernel gives back whatever happens.

Two on one folder would send deliveries twice. The lock is flock's on a file that says nothing else: a
process that was killed leaves no lock behind, and its workers hold none.
"""

import errno
import fcntl
import os
import socket
from pathlib import Path
from typing import Final

import structlog

log = structlog.get_logger()

LOCK_FILE: Final = "sidecar.lock"
#: File systems that know no such lock, some of NFS among them.
_NO_LOCKS: Final = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL})


class FolderLock:
    """The lock of one folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK_FILE
        self._file: int | None = None
        self._is_impossible = False

    def take(self) -> str:
        """Who else has it, "" when it is ours, or where no lock can be had."""
        if self._file is not None or self._is_impossible:
            return ""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return ""  # the store says what is wrong with the folder; this is asked again before it is opened
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(file, 200, 0).decode(errors="replace").strip()
            os.close(file)
            return holder or "unknown process"
        except OSError as exc:
            os.close(file)
            if exc.errno not in _NO_LOCKS:
                return exc.strerror or "unknown"
            self._is_impossible = True
            log.warning("store.not_locked", path=str(self._path), error=exc.strerror)
            return ""
        self._keep(file)
        return ""

    def _keep(self, file: int) -> None:
        self._file = file
        name = f"process {os.getpid()} on {socket.gethostname()}\n".encode()
        try:
            os.ftruncate(file, 0)
            os.pwrite(file, name, 0)
        except OSError:  # a full disk; the name is for people only
            return

    def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
