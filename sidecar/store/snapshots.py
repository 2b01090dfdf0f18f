"""What is remembered of a scope, or of what is held, in one statement each.

An exchange costs one read, however many children an index has: each statement lets go of the interpreter and has to
wait for it again, which costs more than a row does. The statements are made of parts (`parts`), each of which stands in
the file of its table, as does what reads its rows.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Final

from sidecar.model.memory import HeldSnapshot, Scope, Snapshot, TraceKind
from sidecar.store import held, manifests, refused_pushes, repositories, tags, traces
from sidecar.store.parts import text_of
from sidecar.store.records import client_key, quoted, seconds
from sidecar.store.rows import Row
from sidecar.store.statement import Statement

_MOST_TAGS: Final = 1000
_MOST_DUE: Final = 500  #: of pushes, and of pulls

_LOOK: Final = frozenset({tags.NAMED, manifests.MANIFESTS})
_PULL: Final = _LOOK | {tags.TAGS_OF, traces.TRACES, held.PULLS_OF}
_PUSH: Final = _LOOK | {tags.TAGS_OF, traces.TRACES, held.ALL_PULLS, held.PUSHES, repositories.REPOSITORY}
_REFUSAL: Final = frozenset(
    {traces.TRACES, refused_pushes.REFUSED, refused_pushes.PINGS, repositories.REPOSITORY}
)
_BELOW: Final = frozenset(
    {
        *(manifests.BELOW, manifests.FURTHER_BELOW, manifests.PULLED),
        *(held.PUSHES_BELOW, held.PUSHES_FURTHER_BELOW),
    }
)
#: What each statement reads, the smallest first: a part that is not needed costs a microsecond all the same.
_COVERED: Final = {
    "look": _LOOK,
    "refusal": _REFUSAL,
    "pull": _PULL,
    "push": _PUSH,
    "all": _PULL | _PUSH | _REFUSAL | _BELOW,
}
_SCOPES: Final = {
    name: Statement(f"All that tells what it is part of: {name}.", text_of(parts))
    for name, parts in _COVERED.items()
}
_NEEDED_FOR: Final = {
    "named": tags.NAMED,
    "tags_of": tags.TAGS_OF,
    "digests": manifests.MANIFESTS,
    "below": manifests.BELOW,
    "pulled": manifests.PULLED,
    "traced": traces.TRACES,
    "pulls_of": held.PULLS_OF,
    "all_pulls": held.ALL_PULLS,
    "pushes": held.PUSHES,
    "refused": refused_pushes.REFUSED,
    "dated": repositories.REPOSITORY,
}
_HELD: Final = Statement(
    "What is held and due, and what decides about it; of what is due too late, one of each kind.",
    """
    WITH due AS (
        SELECT * FROM (SELECT * FROM held WHERE kind = 'push' AND due_at <= :now
                       ORDER BY due_at LIMIT :most) AS pushes
        UNION ALL SELECT * FROM (SELECT * FROM held WHERE kind = 'pull' AND due_at <= :now
                                 ORDER BY due_at LIMIT :most) AS pulls
        UNION ALL SELECT * FROM (SELECT * FROM held WHERE kind = 'push' AND due_at > :pushes_until
                                 LIMIT 1) AS late_push
        UNION ALL SELECT * FROM (SELECT * FROM held WHERE kind = 'pull' AND due_at > :pulls_until
                                 LIMIT 1) AS late_pull
    )
    SELECT kind, event_id, event, connection, layers, client, '' AS t6,
        due_at, needs_blob, blob_fetched, layer_fetched, asked, 0.0 AS n6 FROM due
    UNION ALL SELECT 'trace', traces.kind, traces.digest, traces.tag, traces.connection, traces.client,
            traces.repository, traces.seen_at, traces.untaken, traces.taken_at, NULL, NULL, NULL
        FROM (SELECT DISTINCT client, repository, digest FROM due WHERE kind = 'pull') AS about CROSS JOIN traces
        WHERE traces.kind IN ('resolved', 'child') AND traces.client = about.client
            AND traces.repository = about.repository AND traces.digest = about.digest
    UNION ALL SELECT 'repository', repository, NULL, NULL, NULL, NULL, NULL,
            created_at, uploaded_at, NULL, NULL, NULL, NULL
        FROM repositories WHERE repository IN (SELECT repository FROM due)
    """,
)

_Rows = defaultdict[str, list[Row]]


def snapshot_of(sql: sqlite3.Connection, scope: Scope) -> Snapshot:
    """What is remembered of a scope; held events that cannot be read are marked, where they can be."""
    if scope.meant_tag and (digest := tags.named_by(sql, scope.repository, scope.meant_tag)):
        scope = replace(scope, digests=(digest,))
    statement = _statement_for(scope)
    rows = _by_kind(statement.run(sql, **{name: _VALUES[name](scope) for name in statement.parameters}))
    if not rows:
        return Snapshot()
    refused, pinged_at = refused_pushes.read_refused_push(rows["refused"])
    return Snapshot(
        named=tags.read_named(rows["named"]),
        tags=_tags(sql, scope, rows["tag"]),
        manifests=manifests.read_manifests(rows["manifest"]),
        traces=traces.read_traces(rows["trace"], scope.client, scope.repository),
        held_pulls=held.read_pulls(sql, rows["pull"], scope.client) if scope.client else (),
        held_pushes=held.read_waiting_pushes(rows["push"]),
        refused_push=refused,
        pinged_at=pinged_at,
        pings=refused_pushes.read_pings(rows["ping"]),
        created_at=repositories.read_created(rows["repository"]),
    )


def held_snapshot(
    sql: sqlite3.Connection, *, now: datetime, pulls_until: datetime, pushes_until: datetime
) -> HeldSnapshot:
    """What is held and due at `now`, or later than it should be; what cannot be read is marked."""
    rows = _by_kind(
        _HELD.run(
            sql,
            now=seconds(now),
            pulls_until=seconds(pulls_until),
            pushes_until=seconds(pushes_until),
            most=_MOST_DUE,
        )
    )
    pulls = held.read_pulls(sql, rows["pull"])
    return HeldSnapshot(
        pushes=held.read_pushes(sql, rows["push"]),
        pulls=pulls,
        traces=traces.read_held_traces(rows["trace"], pulls),
        uploaded_at=repositories.read_uploaded(rows["repository"]),
        created_at=repositories.read_created(rows["repository"]),
    )


def _tags(sql: sqlite3.Connection, scope: Scope, rows: list[Row]) -> tuple[str, ...]:
    """Of a digest that has more tags than are read, those moved last."""
    if len(rows) > _MOST_TAGS:
        return tags.latest_tags(sql, scope.repository, scope.tags_of, most=_MOST_TAGS)
    return tags.read_tags(rows)


def _by_kind(found: sqlite3.Cursor) -> _Rows:
    rows: _Rows = defaultdict(list)
    for row in found.fetchall():
        rows[row[0]].append(row[1:])
    return rows


def _statement_for(scope: Scope) -> Statement:
    return _covering(**_needs_of(scope))


def _needs_of(scope: Scope) -> dict[str, bool]:
    return {
        "named": bool(scope.tags),
        "tags_of": bool(scope.tags_of),
        "digests": bool(scope.digests),
        "below": scope.deep,
        "pulled": scope.manifests_of_pulls,
        "traced": bool(scope.traces),
        "pulls_of": bool(scope.pulls_of),
        "all_pulls": scope.all_pulls,
        "pushes": scope.pushes,
        "refused": scope.refused_in is not None,
        "dated": scope.is_dated,
    }


@cache
def _covering(**needed: bool) -> Statement:
    """The smallest statement that reads all of this."""
    parts = {_NEEDED_FOR[name] for name, is_needed in needed.items() if is_needed}
    return next(_SCOPES[name] for name, covered in _COVERED.items() if parts <= covered)


def _client(scope: Scope) -> str:
    return client_key(scope.client) if scope.client else ""


def _traces(scope: Scope) -> str:
    of_client = quoted(_client(scope))
    clients = {kind: '""' if kind is TraceKind.CONFIG else of_client for kind, _ in scope.traces}
    wanted = [f'["{kind}", {clients[kind]}, {quoted(digest)}]' for kind, digest in scope.traces]
    return "[" + ",".join(wanted) + "]"


def _list(texts: Sequence[str]) -> str:
    return "[" + ",".join([f"[{quoted(text)}]" for text in texts]) + "]"


#: What a statement is given, by parameter; "" where nothing is asked for, which is no repository's name.
_VALUES: Final[dict[str, Callable[[Scope], object]]] = {
    "repository": lambda scope: scope.repository.full_name,
    "client": _client,
    "tags": lambda scope: _list(scope.tags),
    "digests": lambda scope: _list(scope.digests),
    "upper": lambda scope: _list(scope.digests if scope.deep else ()),
    "tags_of": lambda scope: scope.tags_of,
    "most_tags": lambda _: _MOST_TAGS + 1,
    "traces": _traces,
    "pulls_of": lambda scope: _list(scope.pulls_of),
    "pulls_in": lambda scope: scope.repository.full_name if scope.all_pulls else "",
    "bases_in": lambda scope: scope.repository.full_name if scope.manifests_of_pulls else "",
    "pushes_in": lambda scope: scope.repository.full_name if scope.pushes else "",
    "refused_in": lambda scope: scope.refused_in.full_name if scope.refused_in else "",
    "agent": lambda scope: (
        refused_pushes.agent_key(scope.client) if scope.refused_in and scope.client else ""
    ),
}
