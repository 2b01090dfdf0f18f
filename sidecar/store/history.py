"""What was delivered, tried and triggered: the store as people ask about it.

Every query goes by an index that holds what is asked for, so a list stays quick among a million
deliveries. Reads only; sending again is `redelivery`'s.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sidecar.model.delivery import DeliveryState, TargetKey
from sidecar.model.event import Event, EventType
from sidecar.store.away import AwayTarget, away_targets
from sidecar.store.disabled import DisabledTarget, disabled_targets
from sidecar.store.records import event_from_json, moment, seconds
from sidecar.store.rows import readable

#: Ended without having arrived.
FAILED: Final = (DeliveryState.GIVEN_UP, DeliveryState.CANCELLED)
_FINAL: Final = frozenset({DeliveryState.DELIVERED, *FAILED})
_COLUMNS: Final = (
    "id, event_id, event_type, policy_id, target_index, project, repository, state, reason, created_at, "
    "finished_at, next_attempt_at, failures, attempts, content_type"
)
_MOST_EVENTS: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Which deliveries are meant; what is left empty does not matter.

    since, until   when a delivery was created; if only final states are meant, when it ended
    """

    policy_id: str = ""
    project: str = ""
    event_type: EventType | None = None
    states: tuple[DeliveryState, ...] = ()
    since: datetime | None = None
    until: datetime | None = None

    @property
    def time_column(self) -> str:
        return "finished_at" if self.states and _FINAL.issuperset(self.states) else "created_at"

    @property
    def index(self) -> str:
        """The index that answers this; named in the query, as the planner knows no sizes."""
        if self.time_column == "finished_at":
            return "deliveries_policy_finished" if self.policy_id else "deliveries_finished"
        match self.states:
            case (DeliveryState.WAITING | DeliveryState.SENDING as state,):
                return f"deliveries_{state}"
            case _:
                return "deliveries_created"

    def conditions(self) -> tuple[str, list[object]]:
        """A WHERE clause with its values."""
        found = dict(self._conditions())
        return " AND ".join(found) or "1", [value for value in found.values() if value is not None]

    def _conditions(self) -> Iterator[tuple[str, object]]:
        if self.time_column == "finished_at":
            yield "finished_at IS NOT NULL", None
        if self.policy_id:
            yield "policy_id = ?", self.policy_id
        if self.project:
            yield "project = ?", self.project
        if self.event_type:
            yield "event_type = ?", self.event_type
        if self.states:  # written out: a partial index is not found by a value
            yield " OR ".join(f"state = '{state}'" for state in self.states).join("()"), None
        if self.since:
            yield f"{self.time_column} >= ?", seconds(self.since)
        if self.until:
            yield f"{self.time_column} <= ?", seconds(self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAttempt:
    """An attempt as it was recorded."""

    number: int
    started_at: datetime
    duration_ms: float
    status: int | None  #: None when there was no answer
    error: str  #: why not, or that the answer was none of 2xx; "" for success
    address: str
    excerpt: str
    retry_after_s: float | None  #: what the target asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDelivery:
    """A delivery as it stands now."""

    id: UUID
    event_id: UUID
    event_type: EventType
    target: TargetKey
    project: str
    repository: str
    state: DeliveryState
    reason: str  #: why it was cancelled
    created_at: datetime
    finished_at: datetime | None
    next_attempt_at: datetime | None
    failures: int
    attempts: int
    content_type: str
    last_attempt: KeptAttempt | None


class History:
    """Questions to one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection

    # Deliveries

    def deliveries(self, chosen: Chosen, *, limit: int) -> list[KeptDelivery]:
        """The newest ones, newest first."""
        query, values = self._listing(chosen)
        return readable(self._sql.execute(query, (*values, limit)).fetchall(), self._kept, table="deliveries")

    def count(self, chosen: Chosen) -> int:
        where, values = chosen.conditions()
        query = f"SELECT count(*) FROM deliveries INDEXED BY {chosen.index} WHERE {where}"  # noqa: S608  # constants
        return int(self._sql.execute(query, values).fetchone()[0])

    def delivery(self, identity: UUID) -> KeptDelivery | None:
        query = f"SELECT {_COLUMNS} FROM deliveries WHERE id = ?"  # noqa: S608  # constants
        row = self._sql.execute(query, (str(identity),)).fetchone()
        return self._kept(row) if row else None

    def body(self, identity: UUID) -> bytes:
        row = self._sql.execute("SELECT body FROM deliveries WHERE id = ?", (str(identity),)).fetchone()
        return bytes(row[0]) if row else b""

    def named(self, beginning: str) -> list[UUID]:
        """The deliveries whose id begins like that, two at most: enough to know whether it is one."""
        rows = self._sql.execute(
            "SELECT id FROM deliveries WHERE id >= ?1 AND id < ?1 || 'g' ORDER BY id LIMIT 2",
            (beginning.lower(),),
        )
        return [UUID(identity) for (identity,) in rows.fetchall()]

    def attempts(self, identity: UUID) -> list[KeptAttempt]:
        """Every attempt that is kept, in order."""
        rows = self._sql.execute(f"{_ATTEMPTS} ORDER BY number, started_at", (str(identity),))
        return [_attempt(row) for row in rows.fetchall()]

    def _listing(self, chosen: Chosen) -> tuple[str, list[object]]:
        where, values = chosen.conditions()
        time = chosen.time_column
        # The inner query reads the index alone; rows, with their bodies, only of what is shown.
        query = (
            f"SELECT {_COLUMNS} FROM deliveries WHERE seq IN (SELECT seq FROM deliveries "  # noqa: S608  # constants
            f"INDEXED BY {chosen.index} WHERE {where} ORDER BY {time} DESC LIMIT ?) "
            f"ORDER BY {time} DESC, seq DESC"
        )
        return query, values

    def _kept(self, row: tuple[Any, ...]) -> KeptDelivery:
        identity, event_id, event_type, policy_id, index, project, repository, state, reason, *rest = row
        created_at, finished_at, next_attempt_at, failures, attempts, content_type = rest
        last = self._sql.execute(f"{_ATTEMPTS} ORDER BY number DESC, started_at DESC LIMIT 1", (identity,))
        found = last.fetchone()
        return KeptDelivery(
            id=UUID(identity),
            event_id=UUID(event_id),
            event_type=EventType(event_type),
            target=TargetKey(policy_id=policy_id, index=index),
            project=project,
            repository=repository,
            state=DeliveryState(state),
            reason=reason,
            created_at=moment(created_at),
            finished_at=_moment(finished_at),
            next_attempt_at=_moment(next_attempt_at),
            failures=failures,
            attempts=attempts,
            content_type=content_type,
            last_attempt=_attempt(found) if found else None,
        )

    # Policies

    def waiting(self, target: TargetKey) -> int:
        """How many deliveries wait for a target, those being sent included."""
        (number,) = self._sql.execute(
            "SELECT (SELECT count(*) FROM deliveries INDEXED BY deliveries_waiting "
            "WHERE state = 'waiting' AND policy_id = ?1 AND target_index = ?2) + "
            "(SELECT count(*) FROM deliveries INDEXED BY deliveries_sending "
            "WHERE state = 'sending' AND policy_id = ?1 AND target_index = ?2)",
            (target.policy_id, target.index),
        ).fetchone()
        return int(number)

    def last_triggered(self, policy_id: str) -> dict[EventType, datetime]:
        """When a policy last had an event of each type; never forgotten."""
        rows = self._sql.execute(
            "SELECT event_type, at FROM last_triggered WHERE policy_id = ?", (policy_id,)
        )
        return {EventType(kind): moment(at) for kind, at in rows.fetchall()}

    def disabled_targets(self) -> list[DisabledTarget]:
        """Targets that answered 410 Gone."""
        return disabled_targets(self._sql)

    def away_targets(self) -> list[AwayTarget]:
        """Targets that are left alone for a while."""
        return away_targets(self._sql)

    # Events

    def newest_event(self) -> int:
        """The number of the event stored last, 0 before the first."""
        return int(self._sql.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0])

    def event_before(self, since: datetime) -> int:
        """The number after which every event stands that occurred since then."""
        (first,) = self._sql.execute(
            "SELECT min(seq) FROM events INDEXED BY events_occurred WHERE occurred_at >= ?", (seconds(since),)
        ).fetchone()
        return self.newest_event() if first is None else int(first) - 1

    def events_after(self, number: int) -> list[tuple[int, Event]]:
        """The next events in the order they were stored, some hundreds at most, with their numbers."""
        rows = self._sql.execute(
            "SELECT seq, document FROM events WHERE seq > ? ORDER BY seq LIMIT ?", (number, _MOST_EVENTS)
        )
        return readable(rows.fetchall(), lambda row: (row[0], event_from_json(row[1])), table="events")


_ATTEMPTS: Final = "SELECT number, started_at, duration_ms, status, error, address, excerpt, retry_after_s FROM attempts WHERE delivery_id = ?"


def _attempt(row: tuple[int, float, float, int | None, str, str, str, float | None]) -> KeptAttempt:
    number, started_at, duration_ms, status, error, address, excerpt, retry_after_s = row
    return KeptAttempt(
        number=number,
        started_at=moment(started_at),
        duration_ms=duration_ms,
        status=status,
        error=error or _fault(status),
        address=address,
        excerpt=excerpt,
        retry_after_s=retry_after_s,
    )


def _fault(status: int | None) -> str:
    return "" if status is None or 200 <= status < 300 else f"answered {status}"


def _moment(unix_s: float | None) -> datetime | None:
    return None if unix_s is None else moment(unix_s)
