"""A PostgreSQL of our own: in a temporary folder, on loopback, with nothing in it.

with Postgres() as server:
    server.query("SELECT 1")
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.support.process import Process, environment, find_program, free_port

#: PostgreSQL refuses to run as root; this user is on every system and owns nothing.
_NOBODY = "nobody"


class Postgres(Process):
    name = "postgres"

    def __init__(self) -> None:
        self._programs = Path(find_program("postgres")).resolve().parent
        self.port = free_port()
        # Not below pytest's own folder, which root alone may enter.
        super().__init__(Path(tempfile.mkdtemp(prefix="postgres-")))
        self._data = self.folder / "data"

    def command(self) -> Sequence[str]:
        return [
            *self._as_user(),
            str(self._programs / "postgres"),
            "-D",
            str(self._data),
            "--listen_addresses=127.0.0.1",
            f"--port={self.port}",
            "--unix_socket_directories=",
            "--fsync=off",
        ]

    def start(self) -> None:
        if os.geteuid() == 0:
            user = pwd.getpwnam(_NOBODY)
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        self._run(
            "initdb", "-D", str(self._data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"
        )
        super().start()

    def stop(self, timeout_s: float = 10) -> int:
        try:
            return super().stop(timeout_s)
        finally:
            shutil.rmtree(self.folder)

    def is_ready(self) -> bool:
        ready = [str(self._programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(ready, check=False, timeout=10).returncode == 0

    def query(self, script: str) -> list[tuple[str, ...]]:
        """The rows that the statements of a script answer, each value as text; an error of any ends it."""
        lines = self.script(f"\\set ON_ERROR_STOP on\n{script}").splitlines()
        return [tuple(line.split("\t")) for line in lines]

    def script(self, script: str) -> str:
        """What psql prints for a script, unaligned; fails if it stops."""
        done = subprocess.run(
            [self._programs / "psql", "-X", "-q", "-A", "-t", "-F", "\t", "-f", "-"],
            input=script,
            env=environment(
                PGHOST="127.0.0.1", PGPORT=str(self.port), PGUSER="postgres", PGDATABASE="postgres"
            ),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [*self._as_user(), str(self._programs / program), *arguments],
            env=environment(),
            cwd="/",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def _as_user(self) -> list[str]:
        if os.geteuid() != 0:
            return []
        user = pwd.getpwnam(_NOBODY)
        return [
            find_program("setpriv"),
            f"--reuid={user.pw_uid}",
            f"--regid={user.pw_gid}",
            "--clear-groups",
            "--",
        ]
