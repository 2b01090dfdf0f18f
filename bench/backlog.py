"""Stores with deliveries waiting in them, however many."""

import asyncio
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import uuid4

from bench.stack import PROJECT, REPOSITORY, TARGET_ID
from sidecar.model.changes import Raised
from sidecar.model.delivery import Delivery, TargetKey
from sidecar.model.event import Event, EventType
from sidecar.model.names import repository_of
from sidecar.store.events import store_events
from sidecar.store.sqlite import SqliteDatabase

_BODY: Final = (
    b'{"event_type":"pushImage","events":[{"project":"prj","repo_name":"app","tag":"t1",'
    b'"full_name":"prj/app","trigger_time":1700000000000,"image_id":"%b","project_type":"Private",'
    b'"tags":["t1"],"digest":"sha256:%b","resource_url":"registry.example.com/prj/app:t1",'
    b'"username":"bench"}]}' % (b"0" * 64, b"0" * 64)
)
#: Columns that differ between copies of the first delivery.
_OWN: Final = {
    "seq": "NULL",
    # Ids that are as scattered as real ones.
    "id": "printf('%08x-0000-4000-8000-%012x', (n * 2654435761) % 4294967296, n)",
    "event_id": "printf('%08x-0000-4000-8000-%012x', (n * 2246822519) % 4294967296, n)",
    "repository": "printf('prj/app-%d', n % 1000)",
    "policy_id": "printf('prj/receiver-%d', n % ?2)",
}


def fill(path: Path, *, deliveries: int, policies: int = 1) -> None:
    """Make a store with this many waiting deliveries, in turn for the policies `receiver-0` and so on."""
    asyncio.run(_store_first(path))
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -400000")
    columns = [row[1] for row in connection.execute("PRAGMA table_info(deliveries)")]
    values = ", ".join(_OWN.get(column, column) for column in columns)
    connection.execute(
        "INSERT INTO deliveries "  # noqa: S608  # column names of our own schema
        "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1) "
        f"SELECT {values} FROM numbers CROSS JOIN (SELECT * FROM deliveries LIMIT 1)",
        (deliveries, policies),
    )
    connection.execute("DELETE FROM deliveries WHERE seq = 1")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def waiting(path: Path) -> int:
    """How many deliveries have not arrived."""
    connection = sqlite3.connect(path)
    (number,) = connection.execute("SELECT count(*) FROM deliveries WHERE state <> 'delivered'").fetchone()
    connection.close()
    return int(number)


async def _store_first(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    event = Event(
        id=uuid4(),
        type=EventType.IMAGE_PUSH,
        occurred_at=now,
        operator="bench",
        repository=repository_of(REPOSITORY, default_project="library"),
    )
    delivery = Delivery(
        id=uuid4(),
        event_id=event.id,
        event_type=event.type,
        target=TargetKey(policy_id=f"{PROJECT}/receiver-0", target_id=TARGET_ID),
        repository=REPOSITORY,
        body=_BODY,
        content_type="application/json",
        created_at=now,
    )
    database = SqliteDatabase(path)
    database.open()
    await database.write(lambda sql: store_events(sql, [Raised(event, (delivery,))], next_attempt_at=now))
    await asyncio.to_thread(database.close)
