import asyncio
import sys

import psutil
import pytest

from sidecar.proxy.budget import MIB, Budget
from sidecar.proxy.heap import Heap, trim


@pytest.mark.skipif(sys.platform != "linux", reason="what glibc does")
def test_memory_that_was_freed_between_what_is_kept_goes_back() -> None:
    process = psutil.Process()
    blocks = [bytes(60_000) for _ in range(2000)]
    kept = blocks[::20]
    full_bytes = process.memory_info().rss
    del blocks
    trim()
    assert full_bytes - process.memory_info().rss > 80 * MIB
    assert len(kept) == 100


async def test_the_budget_says_when_most_was_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    budget, trimmed = Budget(), asyncio.Event()
    monkeypatch.setattr("sidecar.proxy.heap.trim", trimmed.set)
    Heap(budget)
    with budget.share() as share:
        share.take(100 * MIB)
        assert not trimmed.is_set()
    async with asyncio.timeout(5):
        await trimmed.wait()


def test_the_budget_says_nothing_of_what_is_not_worth_it() -> None:
    budget = Budget()
    budget.fallen = lambda: pytest.fail("nothing has fallen")
    with budget.share() as share:
        share.take(10 * MIB)
        share.release(9 * MIB)
