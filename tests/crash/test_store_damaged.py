"""No content of data_volume ends the program or stops the relaying; nothing that may still be read is lost."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sidecar.policies.target_ids import address_id
from tests.crash.support import Upstreams, ask, sidecar_before
from tests.crash.test_store_away import IMAGE, delivered, metric, push, readiness
from tests.support.process import ROOT, environment, wait_until
from tests.support.receiver import Answer, Receiver
from tests.support.servers import Sidecar


def a_sidecar(folder: Path, upstreams: Upstreams, receiver: Receiver, workers: int = 1) -> Sidecar:
    settings = {"notification": {"retry_waits_s": [0.2]}, "workers": workers}
    return sidecar_before(upstreams, Sidecar, folder, receiver, IMAGE, **settings)


def database_of(sidecar: Sidecar) -> Path:
    return sidecar.folder / "data" / "sidecar.db"


def put_aside(sidecar: Sidecar) -> list[Path]:
    found = sorted((sidecar.folder / "data").glob("sidecar.db.damaged-*"))
    return [path for path in found if not path.name.endswith(("-wal", "-shm"))]


def garbage(path: Path) -> None:
    path.write_bytes(os.urandom(200_000))


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 3)


def zeroed_beginning(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(bytes(4096))


def zeroed_pages(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(bytes(path.stat().st_size - 4096))


def of_another_program(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as sql:
        sql.execute("CREATE TABLE bookmarks (url TEXT)")
    sql.close()


def without_a_table(path: Path) -> None:
    with sqlite3.connect(path) as sql:
        sql.execute("DROP TABLE deliveries")
    sql.close()


DAMAGES = [garbage, cut, zeroed_beginning, zeroed_pages, of_another_program, without_a_table]


def fold_in(path: Path) -> None:
    """The write-ahead log into the file: what is done to the file then is not made good by the log."""
    sql = sqlite3.connect(path)
    sql.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    sql.close()


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_put_aside_at_the_start(
    upstreams: Upstreams, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    with Receiver() as receiver, a_sidecar(tmp_path, upstreams, receiver) as sidecar:
        assert push(sidecar, f"before-{damage.__name__}") == 201
        receiver.wait_for(1)
        sidecar.terminate()
        fold_in(database_of(sidecar))
        damage(database_of(sidecar))
        as_it_was = database_of(sidecar).read_bytes()
        sidecar.start()
        assert push(sidecar, "after") == 201
        wait_until(lambda: "after" in delivered(receiver), 10, what="the event")
        (kept,) = put_aside(sidecar)
        assert kept.read_bytes()[: len(as_it_was)] == as_it_was
        assert readiness(sidecar) == (200, "degraded")
        assert metric(sidecar, "store_up") == 1
        assert metric(sidecar, "store_files_put_aside") == 1
        (line,) = sidecar.logged("store.put_aside")
        assert line["kept_as"] == str(kept)
        kept.rename(tmp_path / "looked at")
        wait_until(lambda: readiness(sidecar) == (200, "ready"), 10, what="it to be ready")


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("how", ["overwritten", "emptied", "replaced", "deleted"])
def test_a_file_that_is_changed_while_it_is_used_stops_nothing(
    upstreams: Upstreams, tmp_path: Path, how: str, workers: int
) -> None:
    with Receiver() as receiver, a_sidecar(tmp_path, upstreams, receiver, workers) as sidecar:
        wait_until(lambda: len(sidecar.logged("worker.started")) == workers - 1, 20, what="the workers")
        assert push(sidecar, "before") == 201
        receiver.wait_for(1)
        path = database_of(sidecar)
        match how:
            case "overwritten":
                with path.open("r+b") as file:
                    file.write(os.urandom(path.stat().st_size))
            case "emptied":
                os.truncate(path, 0)
            case "replaced":
                (tmp_path / "other").write_bytes(os.urandom(50_000))
                (tmp_path / "other").rename(path)
            case _:
                path.unlink()
        tags = [f"{how}-{number}" for number in range(20)]
        assert [push(sidecar, tag) for tag in tags] == [201] * 20
        wait_until(lambda: delivered(receiver).keys() >= set(tags), 20, what="the events")
        assert metric(sidecar, "store_up") == 1
        assert len(put_aside(sidecar)) == (0 if how == "deleted" else 1)
        sidecar.restart()
        assert push(sidecar, "restarted") == 201
        wait_until(lambda: "restarted" in delivered(receiver), 10, what="the event after the restart")


def test_what_waits_in_a_file_that_is_deleted_is_not_lost(upstreams: Upstreams, tmp_path: Path) -> None:
    with (
        Receiver(lambda _: Answer(status=503)) as receiver,
        a_sidecar(tmp_path, upstreams, receiver) as sidecar,
    ):
        assert push(sidecar, "waits") == 201
        receiver.wait_for(1)
        database_of(sidecar).unlink()
        assert push(sidecar, "later") == 201
        wait_until(database_of(sidecar).is_file, 10, what="the file")
        sidecar.kill()
        receiver.respond = lambda _: Answer()
        receiver.requests.clear()
        sidecar.start()
        wait_until(lambda: delivered(receiver).keys() >= {"waits", "later"}, 20, what="both")


@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_garbage_beside_the_file_costs_nothing_that_is_in_it(
    upstreams: Upstreams, tmp_path: Path, suffix: str
) -> None:
    with Receiver() as receiver, a_sidecar(tmp_path, upstreams, receiver) as sidecar:
        assert push(sidecar, "before") == 201
        receiver.wait_for(1)
        sidecar.terminate()
        Path(f"{database_of(sidecar)}{suffix}").write_bytes(os.urandom(100_000))
        sidecar.start()
        assert push(sidecar, "after") == 201
        wait_until(lambda: "after" in delivered(receiver), 10, what="the event")
        assert put_aside(sidecar) == []
        sql = sqlite3.connect(database_of(sidecar))
        assert sql.execute("SELECT count(*) FROM events").fetchone() == (2,)
        sql.close()


@pytest.mark.parametrize("what", ["newer", "folder", "wal folder", "locked"])
def test_a_file_that_is_not_damaged_is_never_put_aside(
    upstreams: Upstreams, tmp_path: Path, what: str
) -> None:
    with Receiver() as receiver, a_sidecar(tmp_path, upstreams, receiver) as sidecar:
        sidecar.terminate()
        path = database_of(sidecar)
        other = sqlite3.connect(path, isolation_level=None)
        match what:
            case "newer":
                other.execute("PRAGMA user_version = 1000")
            case "locked":
                other.execute("BEGIN IMMEDIATE")
            case "folder":
                path.unlink()
                path.mkdir()
            case _:
                other.close()
                Path(f"{path}-wal").mkdir()
        sidecar.start_timeout_s = 60
        sidecar.start()
        assert push(sidecar, f"while-{what.replace(' ', '-')}") == 201
        assert readiness(sidecar) == (200, "degraded")
        assert metric(sidecar, "store_up") == 0
        assert put_aside(sidecar) == []
        reason = ask("GET", f"{sidecar.admin_url}/readyz").json()["checks"]["store"]
        assert str(path) in reason
        assert len(sidecar.logged("store.failed")) == 1
        other.close()


def test_a_full_copy_of_the_folder_can_be_put_back(upstreams: Upstreams, tmp_path: Path) -> None:
    """Restored from a backup while it runs: what is in the backup is used from then on."""
    with Receiver() as receiver, a_sidecar(tmp_path, upstreams, receiver) as sidecar:
        path = database_of(sidecar)
        copy = tmp_path / "copy.db"
        source, target = sqlite3.connect(path), sqlite3.connect(copy)
        source.backup(target)
        source.close()
        target.close()
        assert push(sidecar, "before") == 201
        receiver.wait_for(1)
        for suffix in ("-wal", "-shm"):
            Path(f"{path}{suffix}").unlink()
        shutil.move(copy, path)
        assert push(sidecar, "after") == 201
        wait_until(lambda: "after" in delivered(receiver), 10, what="the event")
        assert put_aside(sidecar) == []


def test_planted_triggers_and_unreadable_rows_harm_no_event(upstreams: Upstreams, tmp_path: Path) -> None:
    with Receiver() as receiver, a_sidecar(tmp_path, upstreams, receiver) as sidecar:
        sidecar.terminate()
        with sqlite3.connect(database_of(sidecar)) as sql:
            for statement in reversed(_PLANTED):
                sql.execute(statement)
            sql.execute("UPDATE deliveries SET target_id = ?", (address_id(receiver.url),))
        sql.close()
        sidecar.start()
        assert push(sidecar, "after") == 201
        wait_until(lambda: "after" in delivered(receiver), 15, what="the event")
        wait_until(lambda: ask("GET", f"{sidecar.admin_url}/metrics").status_code == 200, 5, what="metrics")
        assert put_aside(sidecar) == []
        listed = subprocess.run(
            [sys.executable, "-m", "sidecar", "deliveries", "--config", str(sidecar.configuration)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=environment(PYTHONPATH=str(ROOT)),
            check=False,
        )
        assert (listed.returncode, "Traceback" in listed.stderr) == (0, False), listed.stderr
        assert "prj/app" in listed.stdout
        assert not sidecar.logged("background.failed"), sidecar.logged("background.failed")
        sidecar.restart()
        assert push(sidecar, "again") == 201
        wait_until(lambda: "again" in delivered(receiver), 15, what="the next event")


_DELIVERY = (
    "INSERT INTO deliveries (id, event_id, event_type, policy_id, position, project, repository, "
    "content_type, body, state, created_at, next_attempt_at) VALUES "
)
_PLANTED = (
    "CREATE TRIGGER planted BEFORE INSERT ON deliveries BEGIN SELECT RAISE(ABORT, 'no'); END",
    "CREATE VIEW planted_view AS SELECT randomblob(1000000000)",
    "INSERT INTO intents VALUES ('not a uuid', 'dead', 1, '{}'), (x'00ff', '', 'text', x'ff'), "
    "('00000000-0000-4000-8000-000000000001', 'dead', 2, '" + "[" * 50_000 + "')",
    (
        "INSERT INTO held (event_id, kind, repository, digest, client, due_at, needs_blob, blob_fetched, event) VALUES ('h1', 'pull', 'r', 'd', 'not json', 1, 0, 0, '{'), "
        "('h2', 'push', 'r', 'd', '', -1e300, 0, 0, x'ff'), ('h3', 'nonsense', 'r', 'd', '', 'text', 0, 0, '')"
    ),
    f"{_DELIVERY} ('bad', 'bad', 'nonsense', 'prj/receiver', 0, 'prj', 'prj/a', '', 'text', 'waiting', 1, 1)",
    f"{_DELIVERY} (x'00', 'bad', 'pushImage', 'prj/receiver', 0, 'prj', 'prj/b', '', x'', 'waiting', 'x', 2)",
    (
        f"{_DELIVERY} ('00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000003', 'pushImage', "
        "'prj/receiver', 0, 'prj', CAST(x'ff' AS TEXT), '', zeroblob(3000000), 'waiting', 1e300, 'later')"
    ),
    f"{_DELIVERY} ('c', 'c', 'pushImage', x'ff', 'text', 'prj', 'prj/c', '', x'', 'waiting', 1, 1)",
    f"{_DELIVERY} ('d', 'd', 'pushImage', 'p', 0, 'prj', 'prj/d', '', x'', 'nonsense', 1, 1)",
    "INSERT INTO tags (repository, tag, digest, seen_at) VALUES ('prj/app', x'ff00', x'ff', 'text')",
    "INSERT INTO repositories (repository, created_at, uploaded_at) VALUES ('prj/app', 'text', 'text')",
    "INSERT INTO disabled_targets VALUES ('prj/receiver', 0, x'00', 'text', x'ff')",
    "INSERT INTO traces (kind, client, repository, digest, tag, seen_at, taken_at) VALUES ('clock', '', '', '', 'text', 'text', 'text')",
    "INSERT INTO events (id, type, repository, occurred_at, document) VALUES ('e', 'e', 'e', 'text', '{')",
)
