"""Targets that asked, with 410 Gone, never to be sent anything again.

Kept beside the deliveries, so that a restart does not forget them. An address may hold a token, so only
its hash is kept: enough to see that it has changed.
"""

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from sidecar.model.delivery import TargetKey
from sidecar.store.records import moment, seconds
from sidecar.store.rows import Row, readable
from sidecar.store.sqlite import SqliteDatabase
from sidecar.store.statement import Statement

_ALL: Final = Statement(
    "All targets that get nothing, by policy.",
    """
    SELECT policy_id, target_id, address_hash, at, reason FROM disabled_targets
    ORDER BY policy_id, target_id
    """,
)
_DISABLE: Final = Statement(
    "Note that a target gets nothing; what was noted of it before is replaced.",
    """
    INSERT INTO disabled_targets (policy_id, target_id, address_hash, at, reason)
    VALUES (:policy_id, :target_id, :address_hash, :at, :reason)
    ON CONFLICT (policy_id, target_id) DO UPDATE SET address_hash = excluded.address_hash,
        at = excluded.at, reason = excluded.reason
    """,
)
_ENABLE: Final = Statement(
    "A target is tried again.",
    "DELETE FROM disabled_targets WHERE policy_id = :policy_id AND target_id = :target_id",
)
_ENABLE_POLICY: Final = Statement(
    "All targets of a policy are tried again.",
    "DELETE FROM disabled_targets WHERE policy_id = :policy_id",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DisabledTarget:
    """A target that gets nothing as long as its address is the same."""

    target: TargetKey
    address_hash: str
    at: datetime  #: UTC
    reason: str

    def is_about(self, address: str) -> bool:
        return self.address_hash == hash_of(address)


def hash_of(address: str) -> str:
    return sha256(address.encode()).hexdigest()


class DisabledTargets:
    """The dispatcher's side; the functions below are for another process."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def all(self) -> list[DisabledTarget]:
        return await self._database.read(disabled_targets)

    async def disable(self, disabled: DisabledTarget) -> None:
        await self._database.write(lambda sql: _disable(sql, disabled), keep=True)

    async def enable(self, targets: Collection[TargetKey]) -> None:
        keys = [{"policy_id": target.policy_id, "target_id": target.target_id} for target in targets]
        await self._database.write(lambda sql: _ENABLE.run_many(sql, keys))


def disabled_targets(sql: sqlite3.Connection) -> list[DisabledTarget]:
    """All of them, by policy."""
    return readable(_ALL.run(sql).fetchall(), _disabled, table="disabled_targets")


def _disabled(row: Row) -> DisabledTarget:
    policy_id, target_id, address_hash, at, reason = row
    return DisabledTarget(
        target=TargetKey(policy_id=str(policy_id), target_id=str(target_id)),
        address_hash=str(address_hash),
        at=moment(at),
        reason=str(reason),
    )


def enable_target(sql: sqlite3.Connection, policy_id: str, target_id: str | None = None) -> int:
    """Let a target be tried again, or all of a policy; answers how many were disabled."""
    if target_id is None:
        return _ENABLE_POLICY.run(sql, policy_id=policy_id).rowcount
    return _ENABLE.run(sql, policy_id=policy_id, target_id=target_id).rowcount


def _disable(sql: sqlite3.Connection, disabled: DisabledTarget) -> None:
    _DISABLE.run(
        sql,
        policy_id=disabled.target.policy_id,
        target_id=disabled.target.target_id,
        address_hash=disabled.address_hash,
        at=seconds(disabled.at),
        reason=disabled.reason,
    )
