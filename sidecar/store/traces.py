"""What clients did a moment ago: pushed, resolved, fetched an index. Pruned by age."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from sidecar.model.changes import TraceChanged, TraceLeft
from sidecar.model.exchange import Client
from sidecar.model.memory import HeldPull, Trace, TraceKind
from sidecar.model.names import Repository
from sidecar.store.parts import Select
from sidecar.store.records import client_key, moment, seconds
from sidecar.store.rows import Row, readable
from sidecar.store.statement import Statement

TRACES: Final = Select(
    "trace",
    """
    SELECT 'trace', traces.kind, traces.digest, traces.tag, traces.connection, NULL, NULL,
        traces.seen_at, traces.untaken, traces.taken_at, NULL, NULL, NULL
    FROM {rows(:traces, kind text, client text, digest text)} AS wanted CROSS JOIN traces
    WHERE traces.kind = wanted.kind AND traces.client = wanted.client AND traces.repository = :repository
        AND traces.digest = wanted.digest
    """,
)
_LEAVE: Final = Statement(
    "Note what was done.",
    """
    INSERT INTO traces (kind, client, connection, repository, digest, tag, seen_at, untaken, taken_at)
    SELECT new.kind, new.client, new.connection, new.repository, new.digest, new.tag, new.seen_at, 1, NULL
    FROM {rows(:rows, kind text, client text, connection text, repository text, digest text, tag text, seen_at real)}
        AS new
    WHERE true
    ON CONFLICT (kind, client, repository, digest, tag, seen_at) DO UPDATE SET connection = excluded.connection,
        untaken = 1, taken_at = NULL
    """,
)
# When it was seen before is compared with a millionth of a second to spare: moments have no more digits than
# that, and a time that followed a clock may have.
_CHANGE: Final = Statement(
    "What was done before was done again, or is taken.",
    """
    UPDATE traces SET connection = new.connection, seen_at = new.seen_at, untaken = new.untaken,
        taken_at = new.taken_at
    FROM {rows(:rows, kind text, client text, repository text, digest text, tag text, was_at real, connection text, seen_at real, untaken integer, taken_at real)}
        AS new
    WHERE traces.kind = new.kind AND traces.client = new.client AND traces.repository = new.repository
        AND traces.digest = new.digest AND traces.tag = new.tag
        AND traces.seen_at BETWEEN new.was_at - 0.000001 AND new.was_at + 0.000001
    """,
)
_FORGET: Final = Statement(
    "Forget what was done before a time.", "DELETE FROM traces WHERE seen_at < :before"
)
# Their time is part of what traces are known by: one that is there already stays.
_COPY_BACK: Final = Statement(
    "Traces from the future are there in the past, too; the next of them, and all as old as the last one.",
    """
    INSERT INTO traces (kind, client, connection, repository, digest, tag, seen_at, taken_at, untaken)
    SELECT kind, client, connection, repository, digest, tag, {least(seen_at - :by, :now)},
        {least(taken_at - :by, :now)}, untaken
    FROM traces WHERE seen_at > :now AND seen_at <= coalesce(
        (SELECT seen_at FROM traces WHERE seen_at > :now ORDER BY seen_at LIMIT 1 OFFSET :more), 1e308)
    ORDER BY seen_at ON CONFLICT (kind, client, repository, digest, tag, seen_at) DO NOTHING
    """,
)
_FORGET_COPIED: Final = Statement(
    "Forget the traces from the future that were copied.",
    """
    DELETE FROM traces WHERE seen_at > :now AND seen_at <= coalesce(
        (SELECT seen_at FROM traces WHERE seen_at > :now ORDER BY seen_at LIMIT 1 OFFSET :more), 1e308)
    """,
)


def leave_traces(sql: sqlite3.Connection, changes: Sequence[TraceLeft]) -> None:
    rows = [
        (
            trace.kind,
            _key(trace),
            _connection(trace),
            trace.repository.full_name,
            trace.digest,
            trace.tag,
            seconds(trace.seen_at),
        )
        for trace in (change.trace for change in changes)
    ]
    _LEAVE.run(sql, rows=json.dumps(rows))


def change_traces(sql: sqlite3.Connection, changes: Sequence[TraceChanged]) -> None:
    """Of several changes of one trace the last one counts."""
    rows = {}
    for change in changes:
        after = change.after
        which = (
            after.kind,
            _key(after),
            after.repository.full_name,
            after.digest,
            after.tag,
            seconds(change.before.seen_at),
        )
        taken_at = seconds(after.taken_at) if after.taken_at else None
        rows[which] = (_connection(after), seconds(after.seen_at), after.untaken, taken_at)
    _CHANGE.run(sql, rows=json.dumps([(*which, *values) for which, values in rows.items()]))


def forget_traces(sql: sqlite3.Connection, *, before: datetime) -> None:
    _FORGET.run(sql, before=seconds(before))


def read_traces(rows: Iterable[Row], client: Client | None, repository: Repository) -> tuple[Trace, ...]:
    """Of rows of kind, digest, tag and connection; all of one client, or of none, in one repository."""
    return tuple(readable(rows, lambda row: _trace(row, client, repository), table="traces"))


def read_held_traces(rows: Iterable[Row], pulls: Sequence[HeldPull]) -> tuple[Trace, ...]:
    """As `read_traces`, of the clients and repositories of held pulls, which stand in the rows."""
    clients = {client_key(held.client): held.client for held in pulls}
    repositories = {held.event.repository.full_name: held.event.repository for held in pulls}
    known = (row for row in rows if row[4] in clients and row[5] in repositories)
    return tuple(
        readable(known, lambda row: _trace(row, clients[row[4]], repositories[row[5]]), table="traces")
    )


def _trace(row: Row, client: Client | None, repository: Repository) -> Trace:
    kind, digest, tag, connection, _, _, seen_at, untaken, taken_at, *_ = row
    kind = TraceKind(kind)
    if client and kind is not TraceKind.CONFIG:
        client = replace(client, connection=str(connection))
    return Trace(
        kind=kind,
        client=None if kind is TraceKind.CONFIG else client,
        repository=repository,
        digest=digest,
        tag=tag,
        seen_at=moment(seen_at),
        untaken=int(untaken),
        taken_at=None if taken_at is None else moment(taken_at),
    )


def _key(trace: Trace) -> str:
    return client_key(trace.client) if trace.client else ""


def _connection(trace: Trace) -> str:
    return trace.client.connection if trace.client else ""


def move_traces_back(sql: sqlite3.Connection, by_s: float, *, now_s: float, most: int) -> int:
    """How many were moved; as many as `most`, or more, where there may be others."""
    _COPY_BACK.run(sql, by=by_s, now=now_s, more=most - 1)
    return _FORGET_COPIED.run(sql, now=now_s, more=most - 1).rowcount
