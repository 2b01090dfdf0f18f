from dataclasses import replace
from datetime import timedelta

import pytest

from sidecar.config import Settings
from sidecar.model.delivery import DeliveryState
from sidecar.model.errors import NotFound
from sidecar.services.redelivery import redeliver_failed, redeliver_named
from sidecar.store import redelivery
from tests.support.builders import START
from tests.unit.store.test_history import CD, Shelf

WAITING = (DeliveryState.WAITING,)


async def test_named_ones_are_sent_again_or_nothing_is_done(settings: Settings, shelf: Shelf) -> None:
    mine, other = await shelf.keep(), await shelf.keep(target=CD)
    await shelf.end(mine, DeliveryState.GIVEN_UP)
    await shelf.end(other, DeliveryState.DELIVERED)
    with pytest.raises(NotFound):
        redeliver_named(settings, [str(mine.id), "00000000-0000"])
    assert shelf.ids(states=WAITING) == []
    done = redeliver_named(settings, [str(mine.id)[:13], str(mine.id)])
    assert (done.number, done.unencoded) == (1, {})
    assert redeliver_named(settings, [str(other.id)]).number == 1
    assert set(shelf.ids(states=WAITING)) == {mine.id, other.id}


async def test_all_that_failed_in_a_range_of_one_policy(
    settings: Settings, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redelivery, "AT_ONCE", 2)
    failed = [await shelf.keep(minute, repository=f"prj/{minute}") for minute in range(5)]
    for delivery in failed:
        await shelf.end(delivery, DeliveryState.GIVEN_UP)
    other = await shelf.keep(target=CD)
    await shelf.end(other, DeliveryState.GIVEN_UP)
    told: list[tuple[int, int]] = []
    since, hour = START - timedelta(hours=1), timedelta(hours=1)
    assert redeliver_failed(settings, since=since, until=START - hour / 2).number == 0

    def note(number: int, total: int) -> None:
        told.append((number, total))

    done = redeliver_failed(settings, since=since, policy="prj/ci", on_progress=note)
    assert (done.number, told[0], sum(number for number, _ in told)) == (5, (0, 5), 5)
    assert len(told) > 2
    assert {total for _, total in told} == {5}
    assert set(shelf.ids(states=WAITING)) == {delivery.id for delivery in failed}


async def test_one_without_a_body_is_told_of_and_stays(settings: Settings, shelf: Shelf) -> None:
    delivery = await shelf.keep()
    await shelf.end(delivery, DeliveryState.GIVEN_UP)
    shelf.sql.execute("UPDATE deliveries SET body = '', content_type = ''")
    without = replace(settings, policies=())
    for done in (
        redeliver_named(without, [str(delivery.id)]),
        redeliver_failed(without, since=START - timedelta(days=1)),
    ):
        assert done.number == 0
        assert list(done.unencoded) == [delivery.id]
        assert done.unencoded[delivery.id].startswith("its policy was removed")
    assert shelf.ids(states=WAITING) == []
