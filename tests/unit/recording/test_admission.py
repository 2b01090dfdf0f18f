"""The gate before the upstream, on a real store."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from sidecar.model.admission import ADMITTED, AdmissionRequest, Denied, GatedOperation
from sidecar.model.names import Digest, parse_reference, repository_of
from sidecar.model.operation import (
    DeleteChart,
    DeleteManifest,
    PutManifest,
    UploadChart,
    UploadProvenance,
    UploadStep,
    WriteBlob,
)
from sidecar.recording import admission
from sidecar.recording.admission import Admission
from sidecar.store.sqlite import SqliteDatabase
from sidecar.store.store import Store
from tests.support.builders import DOCKER, START

APP = repository_of("prj/app", default_project="library")
V1 = parse_reference("v1")
WRITES: tuple[GatedOperation, ...] = (
    PutManifest(APP, V1),
    DeleteManifest(APP, V1),
    UploadChart("prj"),
    DeleteChart("prj", "c", "1"),
)
NO_INTENT: tuple[GatedOperation, ...] = (
    *(WriteBlob(APP, step) for step in UploadStep),
    UploadProvenance("prj"),
)
UNAVAILABLE = Denied(
    status=503, code="UNAVAILABLE", message="events cannot be kept right now; try again later"
)


@dataclass
class Gate:
    database: SqliteDatabase
    is_strict: bool = False

    def __post_init__(self) -> None:
        self.store = Store(self.database)
        self.admission = Admission(self.store, run="this", is_strict=lambda: self.is_strict)

    def fill_up(self) -> None:
        """Nothing more can be written: the disk is full."""
        connection = self.database._open_file._connection
        assert connection is not None
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")

    async def open_intents(self) -> int:
        return (await self.store.figures()).intents_open


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    database = SqliteDatabase(tmp_path / "store.db")
    database.open()
    yield Gate(database)
    database.close()


def a_request(operation: GatedOperation) -> AdmissionRequest:
    return AdmissionRequest(id=uuid4(), operation=operation, client=DOCKER, came_at=START)


def a_large_request(operation: GatedOperation) -> AdmissionRequest:
    return AdmissionRequest(
        id=uuid4(), operation=operation, client=DOCKER, came_at=START, request_id="x" * 500_000
    )


@pytest.mark.parametrize("operation", WRITES)
async def test_an_admitted_write_has_its_intent(gate: Gate, operation: GatedOperation) -> None:
    assert await gate.admission.admit(a_request(operation)) is ADMITTED
    assert await gate.open_intents() == 1


async def test_a_write_that_asks_again_has_one_intent(gate: Gate) -> None:
    first = a_request(UploadChart("prj"))
    again = AdmissionRequest(
        id=first.id,
        operation=first.operation,
        client=DOCKER,
        came_at=START,
        chart_sizes={Digest("sha256:" + "a" * 64): 7},
    )
    await gate.admission.admit(first)
    await gate.admission.admit(again)
    (intent,) = await gate.store.intents_left_open()
    assert (intent.id, intent.chart_sizes) == (first.id, again.chart_sizes)


@pytest.mark.parametrize("operation", NO_INTENT)
async def test_a_write_that_raises_no_event_needs_no_store(gate: Gate, operation: GatedOperation) -> None:
    """Its answer is there without a turn of the event loop, though the store is away and writes are strict."""
    gate.is_strict = True
    gate.database.close()
    with pytest.raises(StopIteration) as done:
        gate.admission.admit(a_request(operation)).send(None)
    assert done.value.value is ADMITTED


@pytest.mark.parametrize("operation", WRITES)
async def test_a_store_that_cannot_note_it_denies_only_where_writes_are_strict(
    gate: Gate, operation: GatedOperation
) -> None:
    gate.fill_up()
    assert await gate.admission.admit(a_large_request(operation)) is ADMITTED
    gate.is_strict = True
    assert await gate.admission.admit(a_large_request(operation)) == UNAVAILABLE
    assert await gate.open_intents() == 0


async def test_a_store_that_is_slow_is_one_that_cannot(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object, **__: object) -> None:
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(admission, "_PATIENCE_S", 0.01)
    monkeypatch.setattr(gate.store, "record", never)
    assert await gate.admission.admit(a_request(WRITES[0])) is ADMITTED
    gate.is_strict = True
    assert await gate.admission.admit(a_request(WRITES[0])) == UNAVAILABLE


async def test_a_bug_of_ours_denies_nothing(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    gate.is_strict = True
    monkeypatch.setattr(gate.store, "record", fails)
    assert await gate.admission.admit(a_request(WRITES[0])) is ADMITTED
