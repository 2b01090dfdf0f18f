"""What was delivered, tried and triggered: the store as people ask about it.

Every query goes by an index that holds what is asked for, so a list stays quick among a million
deliveries. Reads only; sending again is `redelivery`'s.
"""

import json
import sqlite3
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
from sidecar.store.statement import Statement, Variants

#: Ended without having arrived.
FAILED: Final = (DeliveryState.GIVEN_UP, DeliveryState.CANCELLED)
_FINAL: Final = frozenset({DeliveryState.DELIVERED, *FAILED})
_MOST_EVENTS: Final = 500

# Which deliveries are meant, the newest first, and how many: by the index that answers it, as SQLite's planner knows
# no sizes. Each reads its index alone, where that holds what is asked; rows, with their bodies, only of what is shown.
# A partial index is not found by a value: the states of those are written out.
_CHOSEN: Final = {
    "deliveries_created": Variants(
        "The newest deliveries of those chosen by when they were created.",
        """
        SELECT seq FROM deliveries {by_index(deliveries_created)}
        WHERE true [AND policy_id = :policy_id] [AND project = :project] [AND event_type = :event_type]
            [AND state = :state] [AND state IN ({texts(:states)})] [AND created_at >= :since] [AND created_at <= :until]
        ORDER BY created_at DESC LIMIT :most
        """,
    ),
    "deliveries_waiting": Variants(
        "The newest deliveries of those chosen that wait.",
        """
        SELECT seq FROM deliveries {by_index(deliveries_waiting)}
        WHERE state = 'waiting' [AND policy_id = :policy_id] [AND project = :project]
            [AND event_type = :event_type] [AND created_at >= :since] [AND created_at <= :until]
        ORDER BY created_at DESC LIMIT :most
        """,
    ),
    "deliveries_sending": Variants(
        "The newest deliveries of those chosen that are being sent.",
        """
        SELECT seq FROM deliveries {by_index(deliveries_sending)}
        WHERE state = 'sending' [AND policy_id = :policy_id] [AND project = :project]
            [AND event_type = :event_type] [AND created_at >= :since] [AND created_at <= :until]
        ORDER BY created_at DESC LIMIT :most
        """,
    ),
    "deliveries_finished": Variants(
        "The newest deliveries of those chosen by when they ended.",
        """
        SELECT seq FROM deliveries {by_index(deliveries_finished)}
        WHERE finished_at IS NOT NULL [AND project = :project] [AND event_type = :event_type]
            [AND state = :state] [AND state IN ({texts(:states)})] [AND finished_at >= :since] [AND finished_at <= :until]
        ORDER BY finished_at DESC LIMIT :most
        """,
    ),
    "deliveries_policy_finished": Variants(
        "The newest deliveries of those chosen by policy and when they ended.",
        """
        SELECT seq FROM deliveries {by_index(deliveries_policy_finished)}
        WHERE finished_at IS NOT NULL AND policy_id = :policy_id [AND project = :project]
            [AND event_type = :event_type] [AND state = :state] [AND state IN ({texts(:states)})] [AND finished_at >= :since]
            [AND finished_at <= :until]
        ORDER BY finished_at DESC LIMIT :most
        """,
    ),
}
_COUNT: Final = {
    "deliveries_created": Variants(
        "How many deliveries were created.",
        """
        SELECT count(*) FROM deliveries {by_index(deliveries_created)}
        WHERE true [AND policy_id = :policy_id] [AND project = :project] [AND event_type = :event_type]
            [AND state = :state] [AND state IN ({texts(:states)})] [AND created_at >= :since] [AND created_at <= :until]
        """,
    ),
    "deliveries_waiting": Variants(
        "How many deliveries wait.",
        """
        SELECT count(*) FROM deliveries {by_index(deliveries_waiting)}
        WHERE state = 'waiting' [AND policy_id = :policy_id] [AND project = :project]
            [AND event_type = :event_type] [AND created_at >= :since] [AND created_at <= :until]
        """,
    ),
    "deliveries_sending": Variants(
        "How many deliveries are being sent.",
        """
        SELECT count(*) FROM deliveries {by_index(deliveries_sending)}
        WHERE state = 'sending' [AND policy_id = :policy_id] [AND project = :project]
            [AND event_type = :event_type] [AND created_at >= :since] [AND created_at <= :until]
        """,
    ),
    "deliveries_finished": Variants(
        "How many deliveries ended.",
        """
        SELECT count(*) FROM deliveries {by_index(deliveries_finished)}
        WHERE finished_at IS NOT NULL [AND project = :project] [AND event_type = :event_type]
            [AND state = :state] [AND state IN ({texts(:states)})] [AND finished_at >= :since] [AND finished_at <= :until]
        """,
    ),
    "deliveries_policy_finished": Variants(
        "How many deliveries of a policy ended.",
        """
        SELECT count(*) FROM deliveries {by_index(deliveries_policy_finished)}
        WHERE finished_at IS NOT NULL AND policy_id = :policy_id [AND project = :project]
            [AND event_type = :event_type] [AND state = :state] [AND state IN ({texts(:states)})] [AND finished_at >= :since]
            [AND finished_at <= :until]
        """,
    ),
}
_SHOWN: Final = {
    "created_at": Statement(
        "Deliveries without their bodies, those first that were created last.",
        """
        SELECT id, event_id, event_type, policy_id, target_id, position, project, repository, state, reason, created_at,
            finished_at, next_attempt_at, failures, attempts, content_type
        FROM deliveries WHERE seq IN ({integers(:numbers)}) ORDER BY created_at DESC, seq DESC
        """,
    ),
    "finished_at": Statement(
        "Deliveries without their bodies, those first that ended last.",
        """
        SELECT id, event_id, event_type, policy_id, target_id, position, project, repository, state, reason, created_at,
            finished_at, next_attempt_at, failures, attempts, content_type
        FROM deliveries WHERE seq IN ({integers(:numbers)}) ORDER BY finished_at DESC, seq DESC
        """,
    ),
}
_NUMBER: Final = Statement("A delivery's number in the table.", "SELECT seq FROM deliveries WHERE id = :id")
_BODY: Final = Statement("A delivery's body.", "SELECT body FROM deliveries WHERE id = :id")
_NAMED: Final = Statement(
    "The first two deliveries whose id, in hexadecimal digits, begins in a certain way.",
    "SELECT id FROM deliveries WHERE id >= :beginning AND id < :beginning || 'g' ORDER BY id LIMIT 2",
)
_ATTEMPTS: Final = Statement(
    "Every attempt of a delivery, in order.",
    """
    SELECT number, started_at, duration_ms, status, error, address, excerpt, retry_after_s
    FROM attempts WHERE delivery_id = :delivery_id ORDER BY number, started_at
    """,
)
_LAST_ATTEMPT: Final = Statement(
    "The last attempt of a delivery.",
    """
    SELECT number, started_at, duration_ms, status, error, address, excerpt, retry_after_s
    FROM attempts WHERE delivery_id = :delivery_id ORDER BY number DESC, started_at DESC LIMIT 1
    """,
)
_WAITING: Final = Statement(
    "How many deliveries wait for a target or are being sent to it.",
    """
    SELECT (SELECT count(*) FROM deliveries {by_index(deliveries_waiting)}
            WHERE state = 'waiting' AND policy_id = :policy_id AND target_id = :target_id)
        + (SELECT count(*) FROM deliveries {by_index(deliveries_sending)}
            WHERE state = 'sending' AND policy_id = :policy_id AND target_id = :target_id)
    """,
)
_LAST_TRIGGERED: Final = Statement(
    "When a policy last had an event of each type.",
    "SELECT event_type, at FROM last_triggered WHERE policy_id = :policy_id",
)
_NEWEST_EVENT: Final = Statement(
    "The number of the event stored last, 0 before the first.", "SELECT coalesce(max(seq), 0) FROM events"
)
_FIRST_SINCE: Final = Statement(
    "The first number of the events that occurred since a time.",
    "SELECT min(seq) FROM events {by_index(events_occurred)} WHERE occurred_at >= :since",
)
_EVENTS_AFTER: Final = Statement(
    "The next events after a number, in the order they were stored.",
    "SELECT seq, document FROM events WHERE seq > :number ORDER BY seq LIMIT :most",
)


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
        """The index that answers this."""
        if self.time_column == "finished_at":
            return "deliveries_policy_finished" if self.policy_id else "deliveries_finished"
        match self.states:
            case (DeliveryState.WAITING | DeliveryState.SENDING as state,):
                return f"deliveries_{state}"
            case _:
                return "deliveries_created"

    def values(self) -> dict[str, object]:
        """What matters, by the names of the statements' parameters."""
        found = {
            "policy_id": self.policy_id,
            "project": self.project,
            "event_type": self.event_type,
            "state": self.states[0] if len(self.states) == 1 else None,
            "states": json.dumps(self.states) if len(self.states) > 1 else None,
            "since": seconds(self.since) if self.since else None,
            "until": seconds(self.until) if self.until else None,
        }
        return {name: value for name, value in found.items() if value}


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAttempt:
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
class RecordedDelivery:
    """A delivery as it stands now."""

    id: UUID
    event_id: UUID
    event_type: EventType
    target: TargetKey
    position: int  #: of the target in its policy when the event was stored
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
    last_attempt: RecordedAttempt | None


class History:
    """Questions to one connection.

    More than 15 methods: one for each question that people ask, and none of them decides anything.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection

    # Deliveries

    def deliveries(self, chosen: Chosen, *, limit: int) -> list[RecordedDelivery]:
        """The newest ones, newest first."""
        found = _CHOSEN[chosen.index].run(self._sql, **chosen.values(), most=limit).fetchall()
        return self._shown([number for (number,) in found], by=chosen.time_column)

    def count(self, chosen: Chosen) -> int:
        return int(_COUNT[chosen.index].run(self._sql, **chosen.values()).fetchone()[0])

    def delivery(self, identity: UUID) -> RecordedDelivery | None:
        found = _NUMBER.run(self._sql, id=str(identity)).fetchone()
        shown = self._shown([found[0]], by="created_at") if found else []
        return shown[0] if shown else None

    def body(self, identity: UUID) -> bytes:
        row = _BODY.run(self._sql, id=str(identity)).fetchone()
        return bytes(row[0]) if row else b""

    def named(self, beginning: str) -> list[UUID]:
        """The deliveries whose id begins like that, two at most: enough to know whether it is one."""
        return [UUID(identity) for (identity,) in _NAMED.run(self._sql, beginning=beginning.lower())]

    def attempts(self, identity: UUID) -> list[RecordedAttempt]:
        """Every recorded attempt, in order."""
        return [_attempt(row) for row in _ATTEMPTS.run(self._sql, delivery_id=str(identity)).fetchall()]

    def _shown(self, numbers: list[int], *, by: str) -> list[RecordedDelivery]:
        rows = _SHOWN[by].run(self._sql, numbers=json.dumps(numbers)).fetchall()
        return readable(rows, self._recorded, table="deliveries")

    def _recorded(self, row: tuple[Any, ...]) -> RecordedDelivery:
        identity, event_id, event_type, policy_id, target_id, position, project, repository, *rest = row
        state, reason, created_at, finished_at, next_attempt_at, failures, attempts, content_type = rest
        last = _LAST_ATTEMPT.run(self._sql, delivery_id=identity).fetchone()
        return RecordedDelivery(
            id=UUID(identity),
            event_id=UUID(event_id),
            event_type=EventType(event_type),
            target=TargetKey(policy_id=policy_id, target_id=target_id),
            position=position,
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
            last_attempt=_attempt(last) if last else None,
        )

    # Policies

    def waiting(self, target: TargetKey) -> int:
        """How many deliveries wait for a target, those being sent included."""
        (number,) = _WAITING.run(self._sql, policy_id=target.policy_id, target_id=target.target_id).fetchone()
        return int(number)

    def last_triggered(self, policy_id: str) -> dict[EventType, datetime]:
        """When a policy last had an event of each type; never forgotten."""
        rows = _LAST_TRIGGERED.run(self._sql, policy_id=policy_id).fetchall()
        return {EventType(kind): moment(at) for kind, at in rows}

    def disabled_targets(self) -> list[DisabledTarget]:
        """Targets that answered 410 Gone."""
        return disabled_targets(self._sql)

    def away_targets(self) -> list[AwayTarget]:
        """Targets that are left alone for a while."""
        return away_targets(self._sql)

    # Events

    def newest_event(self) -> int:
        """The number of the event stored last, 0 before the first."""
        return int(_NEWEST_EVENT.run(self._sql).fetchone()[0])

    def event_before(self, since: datetime) -> int:
        """The number after which every event stands that occurred since then."""
        (first,) = _FIRST_SINCE.run(self._sql, since=seconds(since)).fetchone()
        return self.newest_event() if first is None else int(first) - 1

    def events_after(self, number: int) -> list[tuple[int, Event]]:
        """The next events in the order they were stored, some hundreds at most, with their numbers."""
        rows = _EVENTS_AFTER.run(self._sql, number=number, most=_MOST_EVENTS)
        return readable(rows.fetchall(), lambda row: (row[0], event_from_json(row[1])), table="events")


def _attempt(row: tuple[int, float, float, int | None, str, str, str, float | None]) -> RecordedAttempt:
    number, started_at, duration_ms, status, error, address, excerpt, retry_after_s = row
    return RecordedAttempt(
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
