"""All queues of another kind of job than deliveries."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sidecar.queue.circuit_breaker import AttemptOutcome
from sidecar.queue.keeper import QueueKeeper
from sidecar.queue.pace import QueueSettings
from sidecar.queue.window import SharedSlots
from tests.unit.queue.errands import Errand, Errands, Running, now, settled


class Kind:
    """A work for each queue, and what failed by a bug."""

    def __init__(self, errands: Errands) -> None:
        self.errands = errands
        self.works: dict[str, Running] = {}
        self.bugs: list[tuple[str, str]] = []
        self.broken = {"mallory"}  #: queues whose work is not to be had
        self.looks = 0

    def work_of(self, somebody: str) -> Running:
        return self.works.setdefault(
            somebody, _Broken(self) if somebody in self.broken else Running(self.errands)
        )

    async def look(self) -> None:
        self.looks += 1
        if self.looks == 2:
            raise ZeroDivisionError

    def failed(self, name: str, error: BaseException) -> None:
        self.bugs.append((name, type(error).__name__))


class _Broken(Running):
    def __init__(self, kind: Kind) -> None:
        super().__init__(kind.errands)
        self._kind = kind

    def closed_reason(self) -> str:
        if self._kind.broken:
            raise KeyError
        return ""


@asynccontextmanager
async def keeping(
    kind: Kind, *, poll_s: float = 60
) -> AsyncIterator[QueueKeeper[str, Errand, AttemptOutcome]]:
    keeper = QueueKeeper(
        kind.errands,
        kind.work_of,
        QueueSettings(concurrency=4, shared=SharedSlots(100), closing_grace_s=0.05, now=now),
        names=("errands", "somebody"),
        poll_s=poll_s,
        before_poll=(kind.look,),
        on_failure=kind.failed,
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(keeper.run())
        yield keeper
        await keeper.stop(5)


async def test_what_waits_from_before_is_found(errands: Errands) -> None:
    errands.store("alice", "baker")
    errands.store("bob", "baker")
    async with keeping(Kind(errands)):
        await errands.until("done", "done")


async def test_what_is_stored_is_begun_at_once(errands: Errands) -> None:
    async with keeping(Kind(errands)):
        await settled()
        errands.store("alice", "baker")
        await errands.until("done")
        errands.store("alice", "grocer")
        await errands.until("done", "done")


async def test_what_another_process_stores_is_found_by_polling(errands: Errands) -> None:
    async with keeping(Kind(errands), poll_s=0.05):
        await settled()
        errands.store("alice", "baker", is_told=False)
        await errands.until("done")


async def test_a_bug_in_one_queue_stops_no_other_and_the_queue_is_begun_again(errands: Errands) -> None:
    kind = Kind(errands)
    errands.store("mallory", "baker")
    errands.store("alice", "baker")
    async with keeping(kind, poll_s=0.05):
        await errands.until("waiting", "done")
        kind.broken.clear()
        await errands.until("done", "done")
    assert ("somebody", "ExceptionGroup") in kind.bugs
    assert ("errands", "ZeroDivisionError") in kind.bugs


async def test_stopping_breaks_off_what_takes_longer_than_the_grace(errands: Errands) -> None:
    kind = Kind(errands)
    work = kind.work_of("alice")
    work.is_open.clear()
    errands.store("alice", "baker")
    async with keeping(kind) as keeper:
        await work.until_begun(1)
        await keeper.stop(0.05)
    assert errands.states() == ["waiting"]
