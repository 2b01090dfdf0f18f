import asyncio

from sidecar.proxy.timer import Timer


def a_timer(rung: list[str], name: str = "rung") -> Timer:
    return Timer(asyncio.get_running_loop(), lambda: rung.append(name))


async def until(count: int, rung: list[str]) -> None:
    while len(rung) < count:
        await asyncio.sleep(0)


async def test_timer_rings_once() -> None:
    rung: list[str] = []
    timer = a_timer(rung)
    assert not timer.is_running
    timer.start(0)
    assert timer.is_running
    await until(1, rung)
    assert not timer.is_running
    later = a_timer(rung, "later")
    later.start(0)
    await until(2, rung)
    assert rung == ["rung", "later"]


async def test_timer_that_was_stopped_or_begun_anew_does_not_ring_for_it() -> None:
    rung: list[str] = []
    stopped, again, last = a_timer(rung, "stopped"), a_timer(rung, "again"), a_timer(rung, "last")
    stopped.start(0)
    stopped.stop()
    again.start(0)
    again.start(3600)
    last.start(0)
    await until(1, rung)
    assert rung == ["last"]
    assert again.is_running
    assert not stopped.is_running
    again.stop()
