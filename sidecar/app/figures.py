"""Figures of the store for the metrics, read periodically, so that a scrape never waits."""

from collections.abc import Callable
from datetime import UTC, datetime

from sidecar.app.metrics import Metrics
from sidecar.store.figures import Figures
from sidecar.store.store import Store


class StoreFigures:
    """The figures of the store as of the last reading."""

    def __init__(self, store: Store, metrics: Metrics, *, targets_disabled: Callable[[], float]) -> None:
        self._store = store
        self._metrics = metrics
        self._figures = Figures()
        self._lost = 0
        metrics.watch(
            deliveries_waiting=lambda: self._figures.deliveries_waiting,
            oldest_delivery_age_s=lambda: _age_s(self._figures.oldest_waiting_at),
            intents_open=lambda: self._figures.intents_open,
            events_held=lambda: self._figures.events_held,
            events_in_memory=lambda: store.health.pending_events,
            files_put_aside=lambda: store.health.put_aside,
            store_up=lambda: float(not store.health.error),
            targets_disabled=targets_disabled,
        )

    async def look(self) -> None:
        self._figures = await self._store.figures()
        lost = self._store.health.lost
        self._metrics.events_lost(lost - self._lost)
        self._lost = lost


def _age_s(since: datetime | None) -> float:
    return max((datetime.now(UTC) - since).total_seconds(), 0.0) if since else 0.0
