"""A decision is written whole."""

import sqlite3
from dataclasses import replace
from datetime import timedelta
from typing import get_args

from sidecar.model.changes import Change, Decided, DueLater, HeldNoLonger, PushHeld, Raised
from sidecar.store.decisions import _WRITES, write_decision
from tests.support.builders import START
from tests.support.rows import write
from tests.unit.store.test_held import SECOND, a_push, held_at
from tests.unit.store.test_intents import INTENT
from tests.unit.store.test_outbox import a_delivery, an_event


def test_every_change_can_be_written() -> None:
    assert set(_WRITES) == set(get_args(Change))


def test_what_waits_longer_waits_though_nothing_is_held_as_long(memory: sqlite3.Connection) -> None:
    push = a_push(due_at=START + 40 * SECOND)
    write(memory, PushHeld(push))
    until = START + 30 * SECOND
    write(memory, DueLater(push.event.id, until + SECOND), HeldNoLonger(until, until))
    assert [held.due_at for held in held_at(memory, until + SECOND).pushes] == [until + SECOND]


def test_events_and_intents_are_written_with_it(memory: sqlite3.Connection) -> None:
    event = an_event()
    write_decision(memory, Decided(opens=INTENT, run="this"))
    raised = (Raised(event, (a_delivery(event),)),)
    write_decision(memory, Decided(raised=raised, next_attempt_at=START + timedelta(1), closes=INTENT.id))
    counted = "SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM deliveries), (SELECT count(*) FROM intents)"
    assert memory.execute(counted).fetchone() == (1, 1, 0)


def test_a_decision_that_changes_nothing_costs_no_statement(memory: sqlite3.Connection) -> None:
    seen: list[str] = []
    memory.set_trace_callback(seen.append)
    write_decision(memory, Decided())
    write_decision(memory, replace(Decided(), next_attempt_at=START))
    memory.set_trace_callback(None)
    assert seen == []
