"""Traces of clients, as they are kept; what they mean: tests/unit/detectors/test_traces.py."""

import sqlite3
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sidecar.model.changes import TraceChanged, TraceLeft
from sidecar.model.memory import Scope, Trace, TraceKind
from sidecar.model.names import Digest, repository_of
from sidecar.store.snapshots import snapshot_of
from sidecar.store.traces import forget_traces
from tests.support.builders import DOCKER, SKOPEO, START, a_digest
from tests.support.rows import write

APP = repository_of("prj/app", default_project="library")
DIGEST = Digest(a_digest("image"))
SECOND = timedelta(seconds=1)
CLIENT = replace(DOCKER, connection="1")
ABOUT = tuple((kind, DIGEST) for kind in TraceKind)


def a_trace(kind: TraceKind = TraceKind.CHILD, **more: Any) -> Trace:
    known: dict[str, Any] = {"client": CLIENT, "repository": APP, "digest": DIGEST, "seen_at": START}
    return Trace(kind=kind, **known | more)


def found(sql: sqlite3.Connection, **more: Any) -> list[Trace]:
    scope = replace(Scope(repository=APP, client=DOCKER, traces=ABOUT), **more)
    return sorted(snapshot_of(sql, scope).traces, key=lambda trace: trace.seen_at)


@pytest.mark.parametrize("kind", TraceKind)
def test_what_was_left_is_found_as_it_was_left(memory: sqlite3.Connection, kind: TraceKind) -> None:
    trace = a_trace(kind, tag="v1", client=None if kind is TraceKind.CONFIG else CLIENT)
    write(memory, TraceLeft(trace), TraceLeft(trace))
    (it,) = found(memory)
    assert (it, it.client and it.client.connection) == (trace, trace.client and "1")


def test_what_others_did_or_did_elsewhere_is_not_found(memory: sqlite3.Connection) -> None:
    elsewhere = repository_of("prj/other", default_project="library")
    others: list[dict[str, Any]] = [{"client": SKOPEO}, {"repository": elsewhere}, {"digest": "sha256:b"}]
    write(memory, *(TraceLeft(a_trace(**other)) for other in others))
    assert found(memory) == []


@pytest.mark.parametrize("beyond_s", [0.0, 0.0000004])
def test_one_that_changes_is_that_very_one(memory: sqlite3.Connection, beyond_s: float) -> None:
    traces = [a_trace(TraceKind.RESOLVED, tag="v1", seen_at=START + n * SECOND) for n in range(3)]
    write(memory, *map(TraceLeft, traces))
    memory.execute("UPDATE traces SET seen_at = seen_at + ?", (beyond_s,))  # as after a clock was followed
    seen = found(memory)
    write(memory, TraceChanged(seen[1], replace(seen[1], taken_at=START)))
    assert [trace.taken_at for trace in found(memory)] == [None, START, None]


def test_many_change_at_once_and_of_several_changes_of_one_the_last_counts(
    memory: sqlite3.Connection,
) -> None:
    traces = [a_trace(digest=a_digest(str(number))) for number in range(40)]
    write(memory, *map(TraceLeft, traces))
    later = START + SECOND
    changed = [
        replace(trace, seen_at=later, untaken=2, client=replace(CLIENT, connection="2")) for trace in traces
    ]
    last = replace(changed[0], untaken=0, taken_at=later)
    changes = [TraceChanged(*pair) for pair in zip(traces, changed, strict=True)]
    write(memory, *changes, TraceChanged(traces[0], last))
    wanted = tuple((TraceKind.CHILD, trace.digest) for trace in traces)
    assert sorted(found(memory, traces=wanted), key=str) == sorted([last, *changed[1:]], key=str)


def test_traces_are_forgotten_by_age(memory: sqlite3.Connection) -> None:
    write(memory, TraceLeft(a_trace()))
    forget_traces(memory, before=START)
    assert found(memory)
    forget_traces(memory, before=START + SECOND)
    assert not found(memory)


@pytest.mark.parametrize("column", ["seen_at", "untaken", "taken_at"])
def test_a_row_that_cannot_be_read_is_none(memory: sqlite3.Connection, column: str) -> None:
    write(memory, TraceLeft(a_trace()), TraceLeft(a_trace(TraceKind.PUSHED)))
    memory.execute(f"UPDATE traces SET {column} = 'nonsense' WHERE kind = 'child'")
    assert [trace.kind for trace in found(memory)] == [TraceKind.PUSHED]
