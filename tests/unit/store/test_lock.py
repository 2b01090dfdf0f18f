import os
import subprocess
import sys
from pathlib import Path

from sidecar.store.lock import LOCK_FILE, FolderLock

_HOLDER = (
    "import sys, pathlib, time; from sidecar.store.lock import FolderLock; "
    "print(FolderLock(pathlib.Path(sys.argv[1])).take(), flush=True); time.sleep(60)"
)


def test_a_folder_has_one_holder_who_is_named(tmp_path: Path) -> None:
    first, second = FolderLock(tmp_path / "data"), FolderLock(tmp_path / "data")
    assert first.take() == ""
    assert first.take() == "", "it has it already"
    assert second.take().startswith(f"process {os.getpid()} on ")
    first.release()
    assert second.take() == ""
    second.release()


def test_a_process_that_was_killed_leaves_no_lock(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", _HOLDER, str(tmp_path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    lock = FolderLock(tmp_path)
    assert f"process {holder.pid} " in lock.take()
    holder.kill()
    holder.wait()
    holder.stdout.close()
    assert lock.take() == ""
    lock.release()
    assert (tmp_path / LOCK_FILE).stat().st_mode & 0o777 == 0o600


def test_a_folder_that_cannot_be_had_is_the_stores_business(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert FolderLock(tmp_path / "file" / "data").take() == ""
