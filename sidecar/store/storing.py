"""An event and its deliveries into the tables; a thousand deliveries are as few statements as ten.

Each statement lets go of the interpreter and has to wait for it again, which costs more than a row does.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from sidecar.model.delivery import Delivery, DeliveryState
from sidecar.model.event import Event
from sidecar.store.records import event_to_json, seconds

_EVENT: Final = """
INSERT INTO events (id, type, repository, occurred_at, document) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (id) DO NOTHING
"""
#: Of deliveries that are alike in all but id and target.
_DELIVERIES: Final = """
INSERT INTO deliveries (id, policy_id, target_index, target_mark, event_id, event_type, project, repository, content_type,
                        body, state, reason, created_at, next_attempt_at, finished_at)
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
       json_extract(value, '$[3]'), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12
FROM json_each(?1) WHERE true ORDER BY key
ON CONFLICT (id) DO NOTHING
"""
_LAST_TRIGGERED: Final = """
INSERT INTO last_triggered (policy_id, event_type, at) SELECT value, ?2, ?3 FROM json_each(?1) WHERE true
ON CONFLICT (policy_id, event_type) DO UPDATE SET at = max(at, excluded.at)
"""

_Alike = tuple[str, bytes, DeliveryState, str, datetime]


def store_event(
    sql: sqlite3.Connection, event: Event, deliveries: Iterable[Delivery], *, next_attempt_at: datetime
) -> None:
    """Keep an event with its deliveries; storing the same twice stores once."""
    occurred_at, repository = seconds(event.occurred_at), event.repository
    sql.execute(_EVENT, (str(event.id), event.type, repository.full_name, occurred_at, event_to_json(event)))
    policies: set[str] = set()
    groups: defaultdict[_Alike, list[tuple[str, str, int, str]]] = defaultdict(list)
    for found in deliveries:
        alike = (found.content_type, found.body, found.state, found.reason, found.created_at)
        groups[alike].append((str(found.id), found.target.policy_id, found.target.index, found.target_mark))
        policies.add(found.target.policy_id)
    about = (str(event.id), event.type, repository.project, repository.full_name)
    for alike, rows in groups.items():
        sql.execute(_DELIVERIES, (json.dumps(rows), *about, *_values(alike, next_attempt_at)))
    sql.execute(_LAST_TRIGGERED, (json.dumps(list(policies)), event.type, occurred_at))


def _values(alike: _Alike, next_attempt_at: datetime) -> tuple[object, ...]:
    content_type, body, state, reason, created_at = alike
    created_at_s, waits = seconds(created_at), state is DeliveryState.WAITING
    due_at_s, finished_at_s = (seconds(next_attempt_at), None) if waits else (None, created_at_s)
    return content_type, body, state, reason, created_at_s, due_at_s, finished_at_s
