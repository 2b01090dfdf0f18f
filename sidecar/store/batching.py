"""Many small units of work, asked for in one turn of the event loop, made one.

A thousand targets claim and record at the same time. Each unit costs the interpreter more than what it does
in the database; together they cost little.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from sidecar.model.errors import StoreUnavailable
from sidecar.store.sqlite import SqliteDatabase

Asked = TypeVar("Asked")
Answered = TypeVar("Answered")

#: More of them would hold up what clients of the registry wait for.
_MOST_TOGETHER: Final = 64


class Batching(Generic[Asked, Answered]):
    """One kind of work that no client of the registry waits for."""

    def __init__(
        self,
        database: SqliteDatabase,
        work: Callable[[sqlite3.Connection, list[Asked]], list[Answered]],
        *,
        weight: Callable[[Asked], int] | None = None,
    ) -> None:
        """`work` answers one for each that is asked, in order.

        weight   bytes that keeping it costs, for what must be kept while the store cannot be written
        """
        self._database = database
        self._work = work
        self._weight = weight
        self._waiting: list[tuple[Asked, asyncio.Future[Answered]]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, asked: Asked) -> Answered:
        """Answers when it is committed; raises what `SqliteDatabase.write` raises."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answered] = loop.create_future()
        self._waiting.append((asked, future))
        if len(self._waiting) == 1:
            loop.call_soon(self._send)
        return await future

    def _send(self) -> None:
        waiting, self._waiting = self._waiting, []
        for first in range(0, len(waiting), _MOST_TOGETHER):
            task = asyncio.ensure_future(self._write(waiting[first : first + _MOST_TOGETHER]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _write(self, group: list[tuple[Asked, "asyncio.Future[Answered]"]]) -> None:
        asked = [entry[0] for entry in group]
        keep = self._weight is not None
        weight = sum(map(self._weight, asked)) if self._weight else 0
        try:
            answers = await self._database.write(
                lambda sql: self._work(sql, asked),
                keep=keep,
                weight=weight,
                background=True,
                size=len(asked),
            )
        except Exception as exc:  # noqa: BLE001  # told to those who asked
            if len(group) > 1 and not isinstance(exc, StoreUnavailable):
                await asyncio.gather(*(self._write([entry]) for entry in group))  # one of them is at fault
                return
            for _, future in group:
                if not future.done():
                    future.set_exception(exc)
        else:
            for (_, future), answer in zip(group, answers, strict=True):
                if not future.done():
                    future.set_result(answer)
