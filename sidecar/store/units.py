"""Units of work: what the writer runs, each in a savepoint of its own, and how their callers are answered."""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable
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


def take(lane: deque[Unit[Any]], most: int) -> list[Unit[Any]]:
    taken: list[Unit[Any]] = []
    while lane and most > 0:
        taken.append(lane.popleft())
        most -= taken[-1].size
    return taken


def run(unit: Unit[Any], connection: sqlite3.Connection) -> None:
    unit.error = None
    connection.execute("SAVEPOINT unit")
    try:
        unit.result = unit.work(connection)
    except BaseException as exc:
        if isinstance(exc, sqlite3.Error) and is_of_store(exc, connection):
            raise  # the whole group is tried again
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
