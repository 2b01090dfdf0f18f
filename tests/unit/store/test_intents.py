"""Write operations that are under way."""

import sqlite3
from dataclasses import replace
from uuid import uuid4

from sidecar.model.changes import Decided
from sidecar.model.exchange import Intent
from sidecar.model.names import Digest, parse_reference, repository_of
from sidecar.model.operation import PutManifest
from sidecar.store.decisions import write_decision
from sidecar.store.intents import flag_unreadable, intents_left_open
from tests.support.builders import DOCKER, START, a_digest

APP = repository_of("prj/app", default_project="library")
INTENT = Intent(id=uuid4(), operation=PutManifest(APP, parse_reference("v1")), client=DOCKER, opened_at=START)


def left_open(sql: sqlite3.Connection) -> list[Intent]:
    return intents_left_open(sql, on_unreadable=lambda row: flag_unreadable(sql, row[0]))


def test_intents_open_amend_and_close(memory: sqlite3.Connection) -> None:
    amended = replace(INTENT, chart_sizes={Digest(a_digest("chart")): 1})
    for intent in (INTENT, amended):
        write_decision(memory, Decided(opens=intent, run="this"))
    assert left_open(memory) == [amended]
    memory.execute("INSERT INTO runs (id, started_at, renewals) VALUES ('this', 0, 0)")
    assert left_open(memory) == []
    write_decision(memory, Decided(disowns=INTENT.id))
    assert left_open(memory) == [amended]
    write_decision(memory, Decided(closes=INTENT.id))
    assert left_open(memory) == []


def test_an_intent_that_cannot_be_read_is_marked_and_stops_no_other(memory: sqlite3.Connection) -> None:
    other = replace(INTENT, id=uuid4())
    for intent in (INTENT, other):
        write_decision(memory, Decided(opens=intent, run="dead"))
    memory.execute("UPDATE intents SET document = '{' WHERE id = ?", (str(INTENT.id),))
    assert left_open(memory) == [other]
    assert memory.execute("SELECT run FROM intents WHERE id = ?", (str(INTENT.id),)).fetchone() == (
        "unreadable",
    )
