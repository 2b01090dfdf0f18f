import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from sidecar.config import Settings
from sidecar.model.errors import StoreUnavailable
from sidecar.services.database import history_of, writing_to
from sidecar.services.deliveries import list_deliveries, show_delivery
from sidecar.services.policies import list_policies
from sidecar.services.redelivery import redeliver_named
from sidecar.store.history import Chosen
from tests.unit.store.test_history import Shelf


async def test_what_is_kept_is_asked_below_data_volume(settings: Settings, shelf: Shelf) -> None:
    delivery = await shelf.keep()
    with history_of(settings) as history:
        assert [found.id for found in history.deliveries(Chosen(), limit=9)] == [delivery.id]


async def test_only_a_change_may_write(settings: Settings, shelf: Shelf) -> None:
    await shelf.keep()
    with pytest.raises(StoreUnavailable, match="readonly"), history_of(settings) as history:
        history._sql.execute("DELETE FROM deliveries")
    with writing_to(settings) as connection:
        connection.execute("DELETE FROM deliveries")
    assert shelf.ids() == []


def test_where_no_sidecar_has_run_there_is_none(settings: Settings, tmp_path: Path) -> None:
    elsewhere = replace(settings, data_volume=tmp_path / "none")
    for opened in (history_of, writing_to):
        with pytest.raises(StoreUnavailable, match="there is no database at"), opened(elsewhere):
            pass


async def test_an_event_loop_asks_in_threads_while_the_sidecar_writes(
    settings: Settings, shelf: Shelf
) -> None:
    first = await shelf.keep()
    identity = str(first.id)
    writes = [shelf.keep(minute) for minute in range(1, 20)]
    asked = [
        asyncio.to_thread(call, settings, *more)
        for _ in range(10)
        for call, more in (
            (list_policies, ()),
            (show_delivery, (identity,)),
            (redeliver_named, ([identity],)),
        )
    ]
    await asyncio.gather(*writes, *asked)
    found = await asyncio.to_thread(list_deliveries, settings, Chosen(), limit=50)
    assert (len(found), found[-1].recorded.id) == (20, first.id)
