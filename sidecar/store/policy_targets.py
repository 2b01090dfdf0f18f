"""Which targets each policy had when the configuration was last applied, and in which order.

So that a target that is there no longer is told from one whose address was corrected, also when harbor.yml was changed while the
sidecar was stopped; what waits for the old one is handed over. Who succeeds whom is decided elsewhere (`policies.target_ids`).
"""

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final

from sidecar.model.delivery import TargetKey
from sidecar.store.statement import Statement

#: Of a policy, its targets before, and those that something waits for: who gets what waits for whom.
Successors = Callable[[str, Sequence[str], Collection[str]], Mapping[str, str]]

_ALL: Final = Statement(
    "The targets of all policies as they were last known, in order.",
    "SELECT policy_id, target_id FROM policy_targets ORDER BY policy_id, position",
)
_FORGET: Final = Statement(
    "A policy has no targets that are known.", "DELETE FROM policy_targets WHERE policy_id = :policy_id"
)
_NOTE: Final = Statement(
    "A policy has a target at a position.",
    "INSERT INTO policy_targets (policy_id, position, target_id) VALUES (:policy_id, :position, :target_id)",
)
# Two, each by an index of its own.
_HAND_OVER_WAITING: Final = Statement(
    "What waits for a target is another one's.",
    """
    UPDATE deliveries SET target_id = :successor_id
    WHERE state = 'waiting' AND policy_id = :policy_id AND target_id = :target_id
    """,
)
_HAND_OVER_SENDING: Final = Statement(
    "What is being sent to a target is another one's, should it wait again.",
    """
    UPDATE deliveries SET target_id = :successor_id
    WHERE state = 'sending' AND policy_id = :policy_id AND target_id = :target_id
    """,
)


def apply_targets(
    sql: sqlite3.Connection,
    policies: Mapping[str, Sequence[str]],
    waiting: Iterable[TargetKey],
    successors: Successors,
) -> dict[TargetKey, TargetKey]:
    """Note which targets each policy has now, and hand over what waits for those that are gone; who succeeded whom."""
    known, waits = _known_targets(sql), defaultdict[str, set[str]](set)
    for key in waiting:
        waits[key.policy_id].add(key.target_id)
    found: dict[TargetKey, TargetKey] = {}
    for policy_id in policies:
        for old, new in successors(policy_id, known.get(policy_id, ()), waits[policy_id]).items():
            hand_over(sql, policy_id, old, new)
            found[TargetKey(policy_id=policy_id, target_id=old)] = TargetKey(
                policy_id=policy_id, target_id=new
            )
    _note_targets(sql, policies)
    return found


def hand_over(sql: sqlite3.Connection, policy_id: str, target_id: str, successor_id: str) -> None:
    """What waits for a target, or is being sent to it, is another one's from now on."""
    for statement in (_HAND_OVER_WAITING, _HAND_OVER_SENDING):
        statement.run(sql, policy_id=policy_id, target_id=target_id, successor_id=successor_id)


def _known_targets(sql: sqlite3.Connection) -> dict[str, list[str]]:
    """The ids of each policy's targets, in their order."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for policy_id, target_id in _ALL.run(sql).fetchall():
        found[policy_id].append(target_id)
    return dict(found)


def _note_targets(sql: sqlite3.Connection, policies: Mapping[str, Sequence[str]]) -> None:
    """These are the targets of all policies; only what has changed is written."""
    known = _known_targets(sql)
    for policy_id in known.keys() | policies.keys():
        ids = list(policies.get(policy_id, ()))
        if known.get(policy_id, []) != ids:
            _FORGET.run(sql, policy_id=policy_id)
            _NOTE.run_many(
                sql,
                (
                    {"policy_id": policy_id, "position": position, "target_id": target_id}
                    for position, target_id in enumerate(ids)
                ),
            )
