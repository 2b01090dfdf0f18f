"""What is noted of requests that raise no event themselves: blobs fetched, uploads in progress.

Each is noted once in a while only; nearly all of them cost a look into a dictionary.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sidecar.model.exchange import Client
from sidecar.model.names import Digest, Repository
from sidecar.recording.refusals import RefusedPushes
from sidecar.store.store import Store

_UPLOAD_NOTED_EVERY_S: Final = 5.0
_BLOB_NOTED_EVERY_S: Final = 1.0
_MOST_NOTED: Final = 10_000
_MOST_BLOBS: Final = 1_000
_DUE_LATE_S: Final = 2.0


@dataclass(slots=True)
class _OpenPull:
    """A manifest that was fetched a moment ago."""

    at_s: float
    blobs: set[tuple[str, Digest]] = field(default_factory=set)  #: noted since then, each with its connection


class Traffic:
    """What one process has seen a moment ago; forgetting it costs a row more, not an event."""

    def __init__(
        self,
        store: Store,
        refused: RefusedPushes,
        *,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._store = store
        self._refused = refused
        self._now = now
        self._monotonic = monotonic
        self._pulls_open: dict[tuple[Client, str], _OpenPull] = {}
        self._noted: dict[tuple[Client | None, str], float] = {}
        self._is_grouped = True
        self._pull_hold = timedelta()
        self._several_workers = False

    def apply(self, *, is_grouped: bool, pull_hold: timedelta, several_workers: bool) -> None:
        """Use these settings from now on.

        pull_hold        how long a pull may wait for its blobs
        several_workers  the manifest may have been fetched through another process
        """
        self._is_grouped = is_grouped
        self._pull_hold = pull_hold
        self._several_workers = several_workers

    def saw_manifest(self, client: Client, repository: Repository) -> None:
        """A client fetched a manifest: the blobs that it fetches next may tell a pull from a look."""
        if len(self._pulls_open) >= _MOST_NOTED:
            self._pulls_open.clear()
        self._pulls_open[client, repository.full_name] = _OpenPull(self._monotonic())

    def saw_blob(self, client: Client, repository: Repository, digest: Digest) -> None:
        """A client fetches a blob: its lookup was a pull."""
        is_news = self._is_news(client, repository, digest) or (
            self._several_workers and self._is_due(client, f"{repository}@{digest}", _BLOB_NOTED_EVERY_S)
        )
        if is_news:
            self._store.note_blob_fetched(client, repository, digest)

    def saw_upload(self, client: Client, repository: Repository, began_at: datetime) -> None:
        """An upload is in progress: pushes by digest in this repository wait for its index."""
        self._refused.saw_upload(client, repository, began_at)
        if self._is_grouped and self._is_due(None, repository.full_name, _UPLOAD_NOTED_EVERY_S):
            self._store.note_upload(repository, at=self._now())

    def _is_news(self, client: Client, repository: Repository, digest: Digest) -> bool:
        """Whether a blob belongs to a pull that may still be held, and was not noted since its manifest was fetched."""
        opened = self._pulls_open.get((client, repository.full_name))
        blob = (client.connection, digest)
        if opened is None or blob in opened.blobs or len(opened.blobs) >= _MOST_BLOBS:
            return False
        if self._monotonic() - opened.at_s > self._pull_hold.total_seconds() + _DUE_LATE_S:
            return False
        opened.blobs.add(blob)
        return True

    def _is_due(self, client: Client | None, what: str, every_s: float) -> bool:
        """Whether a fact about a client was not noted within that time; notes it."""
        key = (client, what)
        noted = self._noted.get(key)
        if noted is not None and self._monotonic() - noted < every_s:
            return False
        if len(self._noted) >= _MOST_NOTED:
            self._noted.clear()  # forgetting costs one more row, not an event
        self._noted[key] = self._monotonic()
        return True
