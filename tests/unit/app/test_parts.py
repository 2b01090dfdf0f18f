import asyncio

import pytest

from sidecar.app.parts import Part, serve
from sidecar.model.errors import StartFailed


class Noted(Part):
    """Writes down what it is asked to do; runs until it is closed, or cancelled when `is_endless`."""

    def __init__(self, name: str, said: list[str], *, is_endless: bool = False, fails: bool = False) -> None:
        self._name = name
        self._said = said
        self._fails = fails
        self._is_endless = is_endless
        self._closed = asyncio.Event()

    async def start(self) -> None:
        self._said.append(f"{self._name} starts")
        if self._fails:
            raise StartFailed(self._name)

    async def run(self) -> None:
        self._said.append(f"{self._name} runs")
        try:
            await (asyncio.Event() if self._is_endless else self._closed).wait()
        except asyncio.CancelledError:
            self._said.append(f"{self._name} is cancelled")
            raise
        self._said.append(f"{self._name} ends")

    def stop(self) -> None:
        self._said.append(f"{self._name} stops")

    async def close(self) -> None:
        self._said.append(f"{self._name} closes")
        self._closed.set()
        await asyncio.sleep(0)


async def test_parts_start_and_close_in_order_and_are_told_before_any_is_waited_for() -> None:
    said: list[str] = []
    stopping = asyncio.Event()
    parts = (Noted("proxy", said), Noted("loop", said, is_endless=True), Noted("dispatcher", said))
    serving = asyncio.create_task(
        serve(
            parts,
            stopping,
            on_started=lambda: said.append("started"),
            on_stopping=lambda: said.append("stopping"),
        )
    )
    while "dispatcher runs" not in said:
        await asyncio.sleep(0)
    stopping.set()
    await serving
    assert said[:4] == ["proxy starts", "loop starts", "dispatcher starts", "started"]
    assert said[4:7] == ["proxy runs", "loop runs", "dispatcher runs"]
    assert said[7:11] == ["stopping", "proxy stops", "loop stops", "dispatcher stops"]
    ends = said[11:]
    order = (
        "proxy closes",
        "proxy ends",
        "loop closes",
        "loop is cancelled",
        "dispatcher closes",
        "dispatcher ends",
    )
    assert sorted(ends) == sorted(order)
    assert ends.index("proxy closes") < ends.index("loop closes") < ends.index("dispatcher closes")
    assert ends.index("loop is cancelled") < ends.index("dispatcher ends")


async def test_part_that_cannot_start_leaves_the_others_unbegun() -> None:
    said: list[str] = []
    parts = (Noted("proxy", said), Noted("admin", said, fails=True), Noted("loop", said))
    with pytest.raises(StartFailed):
        await serve(parts, asyncio.Event(), on_started=lambda: said.append("started"))
    assert said == ["proxy starts", "admin starts"]


async def test_stopping_that_was_asked_for_early_ends_all_the_same() -> None:
    said: list[str] = []
    stopping = asyncio.Event()
    stopping.set()
    await serve((Noted("proxy", said),), stopping, on_started=lambda: said.append("started"))
    assert {"proxy starts", "started", "proxy closes"} <= set(said)
