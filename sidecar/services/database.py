"""The store of the settings, opened for one read or one change.

Raises StoreUnavailable when there is none, or when it fails meanwhile.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sidecar.config import Settings
from sidecar.store.history import History
from sidecar.store.offline import Connection, open_offline
from sidecar.store.schema import DATABASE_FILE


@contextmanager
def history_of(settings: Settings) -> Iterator[History]:
    with open_offline(settings.data_volume / DATABASE_FILE) as connection:
        yield History(connection)


@contextmanager
def writing_to(settings: Settings) -> Iterator[Connection]:
    with open_offline(settings.data_volume / DATABASE_FILE, writable=True) as connection:
        yield connection
