"""What an exchange costs: one read, and writes that do not grow with the children of an index."""

from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from sidecar.model.exchange import Exchange
from sidecar.model.names import Digest, Reference, parse_reference
from sidecar.model.operation import DeleteManifest, GetManifest, HeadManifest, PutManifest
from tests.support.builders import DOCKER, START, a_digest, a_manifest, about, an_index, digest_of
from tests.unit.recording.test_recorder import APP, IMAGE, Line, an_exchange, asked

V1 = parse_reference("v1")


class Counted:
    """The statements that the writer runs."""

    def __init__(self, line: Line) -> None:
        self.line = line

    async def of(self, doing: Awaitable[object]) -> tuple[int, list[str]]:
        """How many read, and what each of the others does: `INSERT held`."""
        connection, seen = self.line.database._open_file._connection, list[str]()
        assert connection
        connection.set_trace_callback(seen.append)
        await doing
        await self.line.written()
        connection.set_trace_callback(None)
        # A statement that a foreign key cascades from is traced a second time, when the database follows the key.
        words = [one.split() for one, before in zip(seen, ["", *seen], strict=False) if one != before]
        writes = [f"{it[0]} {it[1 if it[0] == 'UPDATE' else 2]}" for it in words if it[0] in WRITES]
        assert len(writes) + sum(it[0] in {*READS, "BEGIN", "COMMIT"} for it in words) == len(words), seen
        return sum(it[0] in READS for it in words), writes

    async def recorded(self, exchange: Exchange) -> tuple[int, list[str]]:
        return await self.of(self.line.pipeline.record(exchange))


READS, WRITES = {"SELECT", "WITH"}, {"INSERT", "UPDATE", "DELETE"}
RAISED = ["INSERT events", "INSERT deliveries", "INSERT last_triggered"]


@pytest.fixture
async def counted(tmp_path: Path) -> AsyncIterator[Counted]:
    line = Line(tmp_path)
    # Whatever is first in a repository is not what is counted.
    await line.pipeline.record(
        an_exchange(PutManifest(APP, parse_reference("first")), **about(a_manifest("first")))
    )
    line.monotonic_s = 100.0  # no push was refused a moment ago
    yield Counted(line)
    line.database.close()


def a_push(image: bytes = IMAGE, reference: Reference = V1) -> Exchange:
    return an_exchange(PutManifest(APP, reference), **about(image))


def a_pull(image: bytes = IMAGE, reference: Reference = V1) -> Exchange:
    return an_exchange(GetManifest(APP, reference), 200, **about(image))


def index_of(number: int) -> tuple[bytes, list[bytes]]:
    children = [a_manifest(f"child-{number}-{n}") for n in range(number)]
    return an_index([(child, f"linux/a{n}") for n, child in enumerate(children)]), children


async def test_an_intent_and_a_push_by_tag(counted: Counted) -> None:
    push = a_push()
    opened = await counted.of(counted.line.admission.admit(asked(push)))
    assert opened == (1, ["INSERT intents"])
    learnt = ["INSERT tags", "INSERT manifests", "INSERT traces"]
    assert await counted.recorded(push) == (1, [*learnt, *RAISED, "DELETE intents"])
    again = ["INSERT tags", "UPDATE traces", *RAISED, "DELETE intents"]
    assert await counted.recorded(replace(push, id=uuid4())) == (1, again)


async def test_a_pull_by_tag_and_one_of_what_is_known(counted: Counted) -> None:
    learnt = ["INSERT tags", "INSERT manifests", "INSERT traces"]
    assert await counted.recorded(a_pull()) == (1, ["INSERT held", *learnt])
    other = replace(DOCKER, address="10.9.9.9")
    assert await counted.recorded(replace(a_pull(), id=uuid4(), client=other)) == (1, ["INSERT held"])
    assert await counted.recorded(replace(a_pull(), id=uuid4())) == (1, ["INSERT held"])


@pytest.mark.parametrize("number", [4, 40])
async def test_an_index_costs_the_same_however_many_children_it_has(counted: Counted, number: int) -> None:
    index, children = index_of(number)
    for child in children:
        by_digest = Reference(digest=digest_of(child))
        cost = await counted.recorded(a_push(child, by_digest))
        assert cost == (1, ["INSERT held", "INSERT manifests", "INSERT traces", "DELETE intents"])
    learnt = ["INSERT tags", "INSERT manifests", "INSERT traces"]
    assert await counted.recorded(a_push(index)) == (1, ["DELETE held", *learnt, *RAISED, "DELETE intents"])
    assert await counted.recorded(a_pull(index)) == (1, ["INSERT held", "INSERT traces"])
    again = replace(a_pull(index), id=uuid4())
    assert await counted.recorded(again) == (1, ["INSERT held", "UPDATE traces"])
    child_pull = a_pull(children[0], Reference(digest=digest_of(children[0])))
    assert await counted.recorded(child_pull) == (1, ["INSERT traces", "UPDATE traces"])


async def test_looks_and_deletes(counted: Counted) -> None:
    await counted.recorded(a_push())
    look = an_exchange(HeadManifest(APP, V1), 200, content_digest=digest_of(IMAGE))
    assert await counted.recorded(look) == (1, ["INSERT traces"])
    delete = an_exchange(DeleteManifest(APP, Reference(digest=digest_of(IMAGE))), 202)
    gone = ["DELETE tags", "DELETE manifests"]
    assert await counted.recorded(delete) == (1, [*gone, *RAISED, "DELETE intents"])


async def test_what_says_nothing_costs_nothing(counted: Counted) -> None:
    assert await counted.recorded(an_exchange(GetManifest(APP, V1), 404)) == (0, [])
    assert await counted.recorded(an_exchange(HeadManifest(APP, V1), 404)) == (1, ["INSERT traces"])
    assert await counted.recorded(an_exchange(PutManifest(APP, V1), 403)) == (0, ["DELETE intents"])


async def test_many_that_are_due_are_one_read_and_one_release(counted: Counted) -> None:
    for number in range(5):
        await counted.line.pipeline.record(
            replace(a_pull(a_manifest(str(number)), parse_reference(f"v{number}")), id=uuid4())
        )
    counted.line.clock.now = START + timedelta(seconds=4)
    events, deliveries, triggered = RAISED
    cost = await counted.of(counted.line.pipeline.raise_due())
    assert cost == (1, ["DELETE held", *[events] * 5, *[deliveries] * 5, triggered])


async def test_a_blob_is_noted_by_one_statement(counted: Counted) -> None:
    await counted.recorded(a_pull())

    async def fetch() -> None:
        counted.line.pipeline.saw_blob(DOCKER, APP, Digest(a_digest("layer")))

    assert await counted.of(fetch()) == (0, ["UPDATE held"])
