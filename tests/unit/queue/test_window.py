"""Slow start, and slots that dead queues cannot use up."""

import asyncio

import pytest

from sidecar.queue.window import SharedSlots, Window


def a_window(limit: int = 8, free: int = 100) -> Window:
    return Window(limit, SharedSlots(free))


def test_size_doubles_with_success_and_falls_to_one_with_failure() -> None:
    window = a_window(limit=6)
    sizes = []
    for is_success in (True, True, True, True, False, True):
        window.note(is_success=is_success)
        sizes.append(window.size)
    assert sizes == [2, 4, 6, 6, 1, 2]


def test_another_limit_counts_at_once() -> None:
    window = a_window(limit=8)
    for _ in range(3):
        window.note(is_success=True)
    window.resize(2)
    assert window.size == 2
    window.resize(16)
    for _ in range(5):
        window.note(is_success=True)
    assert window.size == 16


async def most_at_once(window: Window, attempts: int) -> int:
    most = 0

    async def attempt() -> None:
        nonlocal most
        async with window:
            most = max(most, window.in_flight)
            await asyncio.sleep(0)

    await asyncio.gather(*(attempt() for _ in range(attempts)))
    return most


@pytest.mark.parametrize(("size", "free", "most"), [(1, 100, 1), (4, 100, 4), (4, 2, 3), (4, 0, 1)])
async def test_no_more_at_once_than_size_and_shared_slots_allow(size: int, free: int, most: int) -> None:
    window = a_window(free=free)
    window.size = size
    assert await most_at_once(window, 20) == most
    assert window.in_flight == 0
    assert window.shared.free == free


async def test_an_attempt_that_is_cancelled_while_waiting_leaves_no_gap() -> None:
    window = a_window()
    entered: list[int] = []

    async def attempt(number: int) -> None:
        async with window:
            entered.append(number)

    async with window:
        tasks = [asyncio.ensure_future(attempt(number)) for number in range(3)]
        await asyncio.sleep(0)
    tasks[0].cancel()  # just woken, not yet running
    await asyncio.gather(*tasks, return_exceptions=True)
    assert entered == [1, 2]
    assert window.in_flight == 0
