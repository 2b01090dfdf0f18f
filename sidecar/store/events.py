"""Events and their deliveries into the tables; a thousand deliveries are as few statements as ten.

Each statement lets go of the interpreter and has to wait for it again, which costs more than a row does.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sidecar.model.changes import Raised
from sidecar.model.delivery import Delivery, DeliveryState
from sidecar.store.records import event_to_json, seconds
from sidecar.store.statement import Statement

_EVENT: Final = Statement(
    "Keep an event; the same twice is kept once.",
    """
    INSERT INTO events (id, type, repository, occurred_at, document)
    VALUES (:id, :type, :repository, :occurred_at, :document) ON CONFLICT (id) DO NOTHING
    """,
)
_DELIVERIES: Final = Statement(
    "Keep deliveries that are alike in all but id and target.",
    """
    INSERT INTO deliveries (id, policy_id, target_id, position, event_id, event_type, project, repository,
        content_type, body, state, reason, created_at, next_attempt_at, finished_at)
    SELECT new.id, new.policy_id, new.target_id, new.position, :event_id, :event_type, :project, :repository,
        :content_type, :body, :state, :reason, :created_at, :next_attempt_at, :finished_at
    FROM {rows(:rows, id text, policy_id text, target_id text, position integer)} AS new
    WHERE true ORDER BY new.nth ON CONFLICT (id) DO NOTHING
    """,
    event_id="text",
    event_type="text",
    project="text",
    repository="text",
    content_type="text",
    body="blob",
    state="text",
    reason="text",
    created_at="real",
    next_attempt_at="real",
    finished_at="real",
)
_LAST_TRIGGERED: Final = Statement(
    "Policies were triggered by events of some types; times only go forward.",
    """
    INSERT INTO last_triggered (policy_id, event_type, at) SELECT new.policy_id, new.event_type, new.at
    FROM {rows(:rows, policy_id text, event_type text, at real)} AS new WHERE true
    ON CONFLICT (policy_id, event_type) DO UPDATE SET at = {greatest(last_triggered.at, excluded.at)}
    """,
)

_Alike = tuple[str, bytes, DeliveryState, str, datetime]


def store_events(sql: sqlite3.Connection, raised: Sequence[Raised], *, next_attempt_at: datetime) -> None:
    """Keep events with their deliveries; storing the same twice stores once."""
    if not raised:
        return
    _EVENT.run_many(sql, (_event(found) for found in raised))
    for found in raised:
        _store_deliveries(sql, found, next_attempt_at=next_attempt_at)
    _note_triggered(sql, raised)


def _event(raised: Raised) -> dict[str, object]:
    event = raised.event
    return {
        "id": str(event.id),
        "type": event.type,
        "repository": event.repository.full_name,
        "occurred_at": seconds(event.occurred_at),
        "document": event_to_json(event),
    }


def _store_deliveries(sql: sqlite3.Connection, raised: Raised, *, next_attempt_at: datetime) -> None:
    groups: defaultdict[_Alike, list[tuple[str, str, str, int]]] = defaultdict(list)
    for found in raised.deliveries:
        alike = (found.content_type, found.body, found.state, found.reason, found.created_at)
        groups[alike].append(_own(found))
    event = raised.event
    for alike, rows in groups.items():
        _DELIVERIES.run(
            sql,
            rows=json.dumps(rows),
            event_id=str(event.id),
            event_type=event.type,
            project=event.repository.project,
            repository=event.repository.full_name,
            **_shared(alike, next_attempt_at),
        )


def _own(delivery: Delivery) -> tuple[str, str, str, int]:
    return str(delivery.id), delivery.target.policy_id, delivery.target.target_id, delivery.position


def _shared(alike: _Alike, next_attempt_at: datetime) -> dict[str, object]:
    content_type, body, state, reason, created_at = alike
    created_at_s, waits = seconds(created_at), state is DeliveryState.WAITING
    return {
        "content_type": content_type,
        "body": body,
        "state": state,
        "reason": reason,
        "created_at": created_at_s,
        "next_attempt_at": seconds(next_attempt_at) if waits else None,
        "finished_at": None if waits else created_at_s,
    }


def _note_triggered(sql: sqlite3.Connection, raised: Sequence[Raised]) -> None:
    latest: defaultdict[tuple[str, str], float] = defaultdict(float)
    for found in raised:
        at = seconds(found.event.occurred_at)
        for policy in {delivery.target.policy_id for delivery in found.deliveries}:
            key = (policy, found.event.type.value)
            latest[key] = max(latest[key], at)
    _LAST_TRIGGERED.run(sql, rows=json.dumps([(*key, at) for key, at in latest.items()]))
