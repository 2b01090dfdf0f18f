"""What was decided for an exchange, written: one statement for each table that changes."""

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Final

from sidecar.model.changes import (
    AskedAgain,
    Change,
    Decided,
    DigestForgotten,
    DueLater,
    HeldNoLonger,
    ManifestLearnt,
    PingsTaken,
    PullHeld,
    PushHeld,
    PushRefused,
    Released,
    RepositorySeen,
    TagForgotten,
    TagLearnt,
    TraceChanged,
    TraceLeft,
)
from sidecar.store import held, intents, manifests, refused_pushes, repositories, tags, traces
from sidecar.store.events import store_events


def _forget_digests(sql: sqlite3.Connection, changes: Sequence[DigestForgotten]) -> None:
    tags.forget_tags_of(sql, changes)
    manifests.forget_manifests(sql, changes)


#: In this order: what is held no longer than a time may be let wait longer after that.
_WRITES: Final[dict[type[Change], Callable[[sqlite3.Connection, Sequence[Any]], None]]] = {
    HeldNoLonger: held.hold_no_longer,
    Released: held.release,
    PushHeld: held.hold_pushes,
    PullHeld: held.hold_pulls,
    AskedAgain: held.ask_again,
    DueLater: held.let_wait,
    TagLearnt: tags.learn_tags,
    TagForgotten: tags.forget_tags,
    DigestForgotten: _forget_digests,
    ManifestLearnt: manifests.learn_manifests,
    TraceLeft: traces.leave_traces,
    TraceChanged: traces.change_traces,
    PushRefused: refused_pushes.keep_refused_pushes,
    PingsTaken: refused_pushes.take_pings,
    RepositorySeen: repositories.see_repositories,
}


def write_decision(sql: sqlite3.Connection, decision: Decided) -> None:
    changes: defaultdict[type[Change], list[Change]] = defaultdict(list)
    for change in decision.changes:
        changes[type(change)].append(change)
    for kind, write in _WRITES.items():
        if kind in changes:
            write(sql, changes[kind])
    if decision.next_attempt_at:
        store_events(sql, decision.raised, next_attempt_at=decision.next_attempt_at)
    if decision.opens:
        intents.open_intent(sql, decision.opens, run=decision.run)
    if decision.closes:
        intents.close_intent(sql, decision.closes)
    if decision.disowns:
        intents.disown_intent(sql, decision.disowns)
