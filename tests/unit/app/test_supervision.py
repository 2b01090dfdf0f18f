import asyncio
from collections.abc import Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from sidecar.app.supervision import Supervisor
from sidecar.model.errors import StoreUnavailable


class _Unforeseen(BaseException):
    """As extension modules raise it: no `except Exception` catches it."""


def a_supervisor() -> tuple[Supervisor, list[str]]:
    failed: list[str] = []
    return Supervisor(failed.append), failed


def failing(error: BaseException, *, times: int, then: asyncio.Event) -> Callable[[], Awaitable[None]]:
    left = [error] * times

    async def work() -> None:
        if left:
            raise left.pop()
        then.set()

    return work


@pytest.mark.parametrize(
    "error",
    [
        KeyError("x"),
        RecursionError(),
        MemoryError(),
        _Unforeseen(),
        ExceptionGroup("several", [ValueError()]),
        BaseExceptionGroup("several", [_Unforeseen()]),
        asyncio.CancelledError(),  # of something that was waited for
    ],
)
async def test_work_goes_on_after_an_exception_that_nobody_thought_of(error: BaseException) -> None:
    supervisor, failed = a_supervisor()
    done = asyncio.Event()
    with capture_logs() as lines:
        task = asyncio.ensure_future(supervisor.every(0.001, "prune", failing(error, times=1, then=done)))
        await asyncio.wait_for(done.wait(), 10)
    task.cancel()
    assert failed == ["prune"]
    (line,) = [line for line in lines if line["event"] == "background.failed"]
    assert (line["task"], line["exc_info"]) == ("prune", error)


async def test_work_is_done_less_often_while_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    supervisor, failed = a_supervisor()
    slept: list[float] = []
    done = asyncio.Event()
    sleep = asyncio.sleep

    async def note(seconds: float) -> None:
        slept.append(seconds)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", note)
    task = asyncio.ensure_future(supervisor.every(0.1, "prune", failing(KeyError(), times=9, then=done)))
    while not done.is_set():
        await sleep(0)
    await sleep(0)
    task.cancel()
    assert slept[:9] == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert slept[9] == 0.1
    assert len(failed) == 9


async def test_a_store_that_is_away_is_no_failure() -> None:
    supervisor, failed = a_supervisor()
    with capture_logs() as lines:
        assert await supervisor.attempt(
            "prune", failing(StoreUnavailable("x"), times=1, then=asyncio.Event())
        )
    assert [line["event"] for line in lines] == ["store.unavailable"]
    assert failed == []


async def test_being_cancelled_ends_the_work() -> None:
    supervisor, failed = a_supervisor()
    task = asyncio.ensure_future(supervisor.keep("prune", asyncio.Event().wait))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert failed == []


async def test_work_that_returns_is_done() -> None:
    supervisor, _ = a_supervisor()
    await supervisor.keep("prune", failing(KeyError(), times=0, then=asyncio.Event()))


async def test_an_exception_in_a_callback_of_the_event_loop_is_counted() -> None:
    supervisor, failed = a_supervisor()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(supervisor.loop_failed)
    with capture_logs() as lines:
        loop.call_soon([].pop)
        await asyncio.sleep(0.01)
    assert failed == ["loop"]
    assert [line["event"] for line in lines] == ["background.failed"]
