"""A delivery from its claim to what became of it.

A thousand targets claim and record at the same time; `Outbox` lets many of them be one unit of work.
"""

import json
import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sidecar.model.delivery import (
    Accepted,
    Attempt,
    Delivery,
    DeliveryState,
    Rejected,
    TargetKey,
    Unreachable,
)
from sidecar.model.event import EventType
from sidecar.store.records import moment, seconds
from sidecar.store.rows import give_up, readable
from sidecar.store.statement import Statement

_EVER: Final = 1e12  # seconds

# Looks past so many deliveries of repositories that are skipped: a million may wait for one of them.
_NEXT: Final = Statement(
    "When the next deliveries of a target are due, but for those of some repositories.",
    """
    SELECT seq, next_attempt_at FROM (
        SELECT seq, next_attempt_at, repository FROM deliveries
        WHERE state = 'waiting' AND policy_id = :policy_id AND target_id = :target_id
            AND next_attempt_at <= :until
        ORDER BY next_attempt_at, seq LIMIT 1000) AS due
    WHERE repository NOT IN ({texts(:skipped)}) LIMIT :most
    """,
)
_DUE: Final = Statement(
    "The next deliveries of a target that are due, but for those of some repositories.",
    """
    SELECT seq, id, event_id, event_type, policy_id, target_id, repository, body, content_type, created_at,
        failures, attempts, position
    FROM deliveries WHERE seq IN (
        SELECT seq FROM (
            SELECT seq, repository FROM deliveries
            WHERE state = 'waiting' AND policy_id = :policy_id AND target_id = :target_id
                AND next_attempt_at <= :until
            ORDER BY next_attempt_at, seq LIMIT 1000) AS due
        WHERE repository NOT IN ({texts(:skipped)}) LIMIT :most)
    ORDER BY next_attempt_at, seq {skip_locked()}
    """,
)
_CLAIM: Final = Statement(
    "Deliveries are being sent by a run.",
    "UPDATE deliveries SET state = 'sending', run = :run WHERE seq IN ({integers(:numbers)})",
)
_RELEASE: Final = Statement(
    "A delivery that was claimed and not sent waits again.",
    "UPDATE deliveries SET state = 'waiting' WHERE id = :id AND state = 'sending'",
)
_RELEASE_ORPHANS: Final = Statement(
    "What is being sent by no run that is alive waits again.",
    """
    UPDATE deliveries SET state = 'waiting' WHERE state = 'sending'
        AND run NOT IN (SELECT id FROM runs WHERE ended_at IS NULL)
    """,
)
_NOTE_ATTEMPT: Final = Statement(
    "Note an attempt; the same again replaces it.",
    """
    INSERT INTO attempts (delivery_id, number, started_at, duration_ms, status, error, address, excerpt, retry_after_s)
    VALUES (:delivery_id, :number, :started_at, :duration_ms, :status, :error, :address, :excerpt, :retry_after_s)
    ON CONFLICT (delivery_id, number, started_at) DO UPDATE SET duration_ms = excluded.duration_ms,
        status = excluded.status, error = excluded.error, address = excluded.address, excerpt = excluded.excerpt,
        retry_after_s = excluded.retry_after_s
    """,
)
_FINISH: Final = Statement(
    "What becomes of a delivery that was tried; one that was cancelled meanwhile stays so unless it arrived.",
    """
    UPDATE deliveries SET state = :state, next_attempt_at = :next_attempt_at, finished_at = :finished_at,
        failures = failures + :failed, attempts = :number
    WHERE id = :delivery_id AND (state = 'sending' OR :state = 'delivered')
    """,
)


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a claim has brought."""

    jobs: list[Delivery]  #: due ones, oldest first; SENDING from now on
    is_full: bool  #: as many as were asked for; there may be more
    #: If not full: when to try the next one that is not of a repository to skip; None when there is none.
    next_due: datetime | None


@dataclass(frozen=True, slots=True)
class Claim:
    target: TargetKey
    limit: int
    now: datetime
    skip: Collection[str]


@dataclass(frozen=True, slots=True)
class Finish:
    attempt: Attempt
    state: DeliveryState
    next_attempt_at: datetime | None


def release(sql: sqlite3.Connection, identities: Iterable[UUID]) -> None:
    """What was claimed and not sent waits again."""
    _RELEASE.run_many(sql, ({"id": str(identity)} for identity in identities))


def release_orphans(sql: sqlite3.Connection) -> None:
    """What is SENDING for a run that is over, or for none, waits again."""
    _RELEASE_ORPHANS.run(sql)


def claim_all(sql: sqlite3.Connection, claims: list[Claim], *, run: str) -> list[Claimed]:
    return [_claim(sql, claim, run) for claim in claims]


def _claim(sql: sqlite3.Connection, claim: Claim, run: str) -> Claimed:
    chosen: dict[str, object] = {
        "policy_id": claim.target.policy_id,
        "target_id": claim.target.target_id,
        "skipped": json.dumps(list(claim.skip)) if claim.skip else "[]",
    }
    rows = _DUE.run(sql, **chosen, until=seconds(claim.now), most=claim.limit).fetchall()
    if rows:
        _CLAIM.run(sql, run=run, numbers=json.dumps([row[0] for row in rows]))
    is_full = len(rows) == claim.limit
    return Claimed(
        jobs=readable(
            rows,
            _delivery,
            table="deliveries",
            on_unreadable=lambda row: give_up(sql, row[0], at_s=seconds(claim.now)),
        ),
        is_full=is_full,
        next_due=None if is_full else _next_due(sql, chosen),
    )


def _next_due(sql: sqlite3.Connection, chosen: dict[str, object]) -> datetime | None:
    row = _NEXT.run(sql, **chosen, until=_EVER, most=1).fetchone()
    return moment(row[1]) if row else None


def finish_all(sql: sqlite3.Connection, finishes: list[Finish]) -> list[None]:
    found = [_values(finish) for finish in finishes]
    _NOTE_ATTEMPT.run_many(sql, found)
    _FINISH.run_many(sql, found)
    return [None] * len(finishes)


def _values(finish: Finish) -> dict[str, object]:
    """Those of both statements."""
    attempt, result, waits = finish.attempt, finish.attempt.result, finish.state is DeliveryState.WAITING
    started_at = seconds(attempt.started_at)
    return {
        "delivery_id": str(attempt.delivery_id),
        "number": attempt.number,
        "started_at": started_at,
        "duration_ms": attempt.duration_ms,
        "status": None if isinstance(result, Unreachable) else result.status,
        "error": result.reason if isinstance(result, Unreachable) else "",
        "address": attempt.address,
        "excerpt": attempt.excerpt,
        "retry_after_s": result.retry_after_s if isinstance(result, Rejected) else None,
        "state": finish.state,
        "next_attempt_at": seconds(finish.next_attempt_at) if finish.next_attempt_at else None,
        "finished_at": None if waits else started_at + attempt.duration_ms / 1000,
        "failed": int(not isinstance(result, Accepted)),
    }


def weight_of(finish: Finish) -> int:
    return len(finish.attempt.excerpt) + 200


def _delivery(row: tuple[Any, ...]) -> Delivery:
    _, identity, event_id, event_type, policy_id, target_id, repository, body, content_type, *rest = row
    created_at, failures, attempts, position = rest
    return Delivery(
        id=UUID(identity),
        event_id=UUID(event_id),
        event_type=EventType(event_type),
        target=TargetKey(policy_id=policy_id, target_id=target_id),
        repository=repository,
        body=bytes(body),
        content_type=content_type,
        created_at=moment(created_at),
        failures=failures,
        attempts=attempts,
        position=position,
    )
