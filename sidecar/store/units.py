"""Units of work: what the writer runs, many in one transaction, and how their callers are answered."""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sidecar.store.file import is_of_store

T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Unit(Generic[T]):
    work: Callable[[sqlite3.Connection], T]
    loop: asyncio.AbstractEventLoop | None = None
    future: "asyncio.Future[T] | None" = None
    keep: bool = False
    weight: int = 0
    size: int = 1
    events: int = 0
    result: T | None = None
    error: Exception | None = None


def take(queue: deque[Unit[Any]], most: int) -> list[Unit[Any]]:
    taken: list[Unit[Any]] = []
    while queue and most > 0:
        taken.append(queue.popleft())
        most -= taken[-1].size
    return taken


class _Faulty(Exception):
    """One of the units is at fault, and not the store."""


def commit(group: list[Unit[Any]], connection: sqlite3.Connection) -> None:
    """Run units in one transaction; raises what the store is at fault for.

    One that fails by its own fault takes no other with it. That is rare: only then is each run again in a savepoint of
    its own, which would be two statements more for every exchange. So a unit may be run twice, as it may be when the
    store was away.
    """
    try:
        _commit(group, connection, _run)
    except _Faulty:
        _commit(group, connection, _run_apart)


def _commit(
    group: list[Unit[Any]],
    connection: sqlite3.Connection,
    run: Callable[[Unit[Any], sqlite3.Connection], None],
) -> None:
    try:
        connection.execute("BEGIN IMMEDIATE")
        for unit in group:
            run(unit, connection)
        connection.execute("COMMIT")
    except (sqlite3.Error, _Faulty):
        if connection.in_transaction:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
        raise


def _run(unit: Unit[Any], connection: sqlite3.Connection) -> None:
    unit.error = None
    try:
        unit.result = unit.work(connection)
    except BaseException as exc:
        if isinstance(exc, sqlite3.Error) and is_of_store(exc, connection):
            raise  # the whole group is tried again
        raise _Faulty from exc


def _run_apart(unit: Unit[Any], connection: sqlite3.Connection) -> None:
    unit.error = None
    connection.execute("SAVEPOINT unit")
    try:
        unit.result = unit.work(connection)
    except BaseException as exc:
        if isinstance(exc, sqlite3.Error) and is_of_store(exc, connection):
            raise
        # The unit's own fault: told to its caller, harms no other.
        connection.execute("ROLLBACK TO unit")
        unit.error = exc if isinstance(exc, Exception) else RuntimeError(f"a unit of work raised {exc!r}")
    connection.execute("RELEASE unit")


def resolve(group: list[Unit[Any]]) -> None:
    """Answer the callers, one wake-up for each event loop."""
    loops = {unit.loop for unit in group if unit.loop}
    for loop in loops:
        units = [unit for unit in group if unit.loop is loop]
        try:
            loop.call_soon_threadsafe(_answer, units)
        except RuntimeError:  # that loop has ended; nobody waits any more
            continue


def _answer(units: list[Unit[Any]]) -> None:
    for unit in units:
        if unit.future is None or unit.future.done():
            continue
        if unit.error is not None:
            unit.future.set_exception(unit.error)
        else:
            unit.future.set_result(unit.result)
