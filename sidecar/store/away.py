"""Targets that are left alone for a while because they fail and fail.

Kept for whoever asks why deliveries wait: the command line is another process. Nothing is decided by it.
An address may hold a token, so only its hash is kept: enough to see that it has changed.
"""

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sidecar.model.delivery import TargetKey
from sidecar.store.disabled import hash_of
from sidecar.store.records import moment, seconds
from sidecar.store.rows import Row, readable
from sidecar.store.sqlite import SqliteDatabase
from sidecar.store.statement import Statement

_ALL: Final = Statement(
    "All targets that are left alone, by policy.",
    """
    SELECT policy_id, target_id, address_hash, since, until, reason FROM away_targets
    ORDER BY policy_id, target_id
    """,
)
_NOTE: Final = Statement(
    "Note until when a target is left alone; what was noted of it before is replaced.",
    """
    INSERT INTO away_targets (policy_id, target_id, address_hash, since, until, reason)
    VALUES (:policy_id, :target_id, :address_hash, :since, :until, :reason)
    ON CONFLICT (policy_id, target_id) DO UPDATE SET address_hash = excluded.address_hash,
        since = excluded.since, until = excluded.until, reason = excluded.reason
    """,
)
_FORGET: Final = Statement(
    "A target is left alone no longer.",
    "DELETE FROM away_targets WHERE policy_id = :policy_id AND target_id = :target_id",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AwayTarget:
    """A target that is not asked before a certain time; times are UTC."""

    target: TargetKey
    address_hash: str
    since: datetime  #: when the first of the failures in a row ended
    until: datetime  #: when it is asked again
    reason: str  #: how it failed last

    def is_about(self, address: str) -> bool:
        return self.address_hash == hash_of(address)


class AwayTargets:
    """The dispatcher's side."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def all(self) -> list[AwayTarget]:
        return await self._database.read(away_targets)

    async def note(self, away: AwayTarget) -> None:
        await self._database.write(lambda sql: _note(sql, away))

    async def forget(self, targets: Collection[TargetKey]) -> None:
        keys = [{"policy_id": target.policy_id, "target_id": target.target_id} for target in targets]
        await self._database.write(lambda sql: _FORGET.run_many(sql, keys))


def away_targets(sql: sqlite3.Connection) -> list[AwayTarget]:
    """All of them, by policy."""
    return readable(_ALL.run(sql).fetchall(), _away, table="away_targets")


def _away(row: Row) -> AwayTarget:
    policy_id, target_id, address_hash, since, until, reason = row
    return AwayTarget(
        target=TargetKey(policy_id=str(policy_id), target_id=str(target_id)),
        address_hash=str(address_hash),
        since=moment(since),
        until=moment(until),
        reason=str(reason),
    )


def _note(sql: sqlite3.Connection, away: AwayTarget) -> None:
    _NOTE.run(
        sql,
        policy_id=away.target.policy_id,
        target_id=away.target.target_id,
        address_hash=away.address_hash,
        since=seconds(away.since),
        until=seconds(away.until),
        reason=away.reason,
    )
