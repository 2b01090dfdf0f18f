"""First sights of repositories, and uploads to them."""

import sqlite3
from datetime import datetime, timedelta

from sidecar.model.changes import RepositorySeen
from sidecar.model.memory import Scope
from sidecar.model.names import repository_of
from sidecar.store.repositories import note_upload
from sidecar.store.snapshots import snapshot_of
from tests.support.builders import START
from tests.support.rows import write

APP = repository_of("prj/app", default_project="library")


def created(sql: sqlite3.Connection) -> datetime | None:
    return snapshot_of(sql, Scope(repository=APP, is_dated=True)).created_at.get("prj/app")


def test_repository_keeps_the_time_of_its_first_sight(memory: sqlite3.Connection) -> None:
    assert created(memory) is None
    for days in (0, 1):
        write(memory, RepositorySeen(APP, START + timedelta(days=days)))
        assert created(memory) == START


def test_noting_an_upload_is_no_first_sight_of_a_repository(memory: sqlite3.Connection) -> None:
    note_upload(memory, APP, at=START)
    assert created(memory) is None
    write(memory, RepositorySeen(APP, START + timedelta(days=1)))
    assert created(memory) == START + timedelta(days=1)


def test_a_time_that_is_none_is_not_known(memory: sqlite3.Connection) -> None:
    memory.execute("INSERT INTO repositories (repository, created_at) VALUES ('prj/app', 'nonsense')")
    assert created(memory) is None
