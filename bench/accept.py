"""Events accepted per second: durable when the client has its answer.

First the recorder without HTTP, compared with bare commits of SQLite; then pushes through the proxy, compared with
the same pushes to the registry itself.
"""

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Final
from uuid import uuid4

from bench.figures import Figure, percentile
from bench.load import NUMBER, Elsewhere, Outcome, Plan, elsewhere, run_plan
from bench.receiver import FastReceiver
from bench.requests import processor_time
from bench.scale import Scale
from bench.stack import PROJECT, REPOSITORY, a_folder, a_registry, a_sidecar, an_image, an_image_in
from bench.watch import watched
from sidecar.model.admission import AdmissionRequest
from sidecar.model.exchange import Body, Client, Exchange
from sidecar.model.exchange import Outcome as HowItEnded
from sidecar.model.manifest import parse_manifest
from sidecar.model.names import Digest, parse_reference, parse_repository
from sidecar.model.operation import PutManifest
from sidecar.policies.policy import Project, WebhookPolicy
from sidecar.policies.target import Target
from sidecar.recording.admission import Admission
from sidecar.recording.recorder import Recorder, RecorderSettings
from sidecar.store.outbox import Outbox
from sidecar.store.sqlite import SqliteDatabase
from sidecar.store.store import Store
from tests.support.images import Artifact

TITLE: Final = "accept: events accepted per second, each flushed to the disk before the client has its answer"

_CLIENTS: Final = 64
_CLIENT: Final = Client(address="127.0.0.1", operator="bench", user_agent="bench")


def measure(scale: Scale) -> Iterator[Figure]:
    with a_folder() as folder, elsewhere() as other:
        commits = other.run(commit_rows, folder / "bare.db", scale.seconds)
        alone = other.run(accept_without_http, folder / "alone.db", scale.seconds)
        yield Figure(
            what=f"pipeline alone, {_CLIENTS} clients",
            value=alone,
            unit="events/s",
            peer=commits,
            which="SQLite, one row and one flush each",
        )
        yield from _measure_http(folder, other, scale)


def _measure_http(folder: Path, other: Elsewhere, scale: Scale) -> Iterator[Figure]:
    with FastReceiver(folder / "receiver") as receiver, a_registry(folder / "registry") as registry:
        image = an_image_in(registry)
        for behaviour, what in (("hang", "pushes through the proxy"), ("count", "the same, and delivered")):
            address = f"{receiver.url}/{behaviour}/events"
            folder_of = folder / f"sidecar-{behaviour}"
            with a_sidecar(folder_of, registry=registry.url, addresses=[address]) as sidecar:
                with watched(registry.pid) as its:
                    direct = _pushes(other, registry.port, image, prefix="d", scale=scale)
                with watched(sidecar.pid) as own:
                    through = _pushes(other, sidecar.proxy_port, image, prefix="s", scale=scale)
            yield Figure(
                what=f"{what}, 32 clients",
                value=through.rate,
                unit="events/s",
                peer=direct.rate,
                which="the registry itself",
            )
            yield Figure(
                what="  a push of them takes, median",
                value=percentile(through.durations_s, 0.5) * 1000,
                unit="ms",
                peer=percentile(direct.durations_s, 0.5) * 1000,
                which="the registry itself",
            )
            yield processor_time(through, own, direct, its)


def _pushes(other: Elsewhere, port: int, image: Artifact, *, prefix: str, scale: Scale) -> Outcome:
    plan = a_push(port, image, prefix=prefix, connections=32, seconds=scale.seconds)
    outcome = other.run(run_plan, plan)
    outcome.check(201)
    return outcome


def a_push(
    port: int,
    image: Artifact,
    *,
    prefix: str = "t",
    connections: int = 1,
    count: int = 0,
    seconds: float = 0,
    pause_s: float = 0,
) -> Plan:
    """One image after the other, each with a tag and a digest of its own."""
    return Plan(
        port=port,
        method="PUT",
        path=f"/v2/{REPOSITORY}/manifests/{prefix}{{n}}",
        content_type=image.media_type,
        body=image.manifest,
        connections=connections,
        count=count,
        seconds=seconds,
        pause_s=pause_s,
    )


# In a process of their own


def commit_rows(path: Path, seconds: float) -> float:
    """Rows per second when each has a transaction and a flush of its own."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE events (seq INTEGER PRIMARY KEY, document BLOB)")
    begun_at, rows = time.monotonic(), 0
    while time.monotonic() < begun_at + seconds:
        connection.execute("INSERT INTO events (document) VALUES (?)", (bytes(1000),))
        rows += 1
    connection.close()
    return rows / (time.monotonic() - begun_at)


def accept_without_http(path: Path, seconds: float) -> float:
    return asyncio.run(_accept(path, seconds))


@dataclass(slots=True)
class _Pushes:
    """Exchanges as the proxy would pass them on."""

    image: Artifact
    numbers: Iterator[int]

    async def push(self, admission: Admission, pipeline: Recorder) -> None:
        number = next(self.numbers)
        operation = PutManifest(
            parse_repository(REPOSITORY, default_project="library"), parse_reference(f"t{number}")
        )
        manifest = self.image.manifest.replace(NUMBER, b"%08d" % number)
        body = Body(manifest, self.image.media_type)
        digest = Digest(f"sha256:{sha256(manifest).hexdigest()}")
        request = AdmissionRequest(
            id=uuid4(),
            operation=operation,
            client=_CLIENT,
            came_at=datetime.now(UTC),
            request_body=body,
            content_digest=digest,
        )
        await admission.admit(request)
        exchange = Exchange(
            id=request.id,
            operation=operation,
            client=_CLIENT,
            began_at=request.came_at,
            answered_at=datetime.now(UTC),
            status=201,
            outcome=HowItEnded.COMPLETED,
            content_digest=digest,
            manifest=parse_manifest(manifest, self.image.media_type),
        )
        await pipeline.record(exchange)


async def _accept(path: Path, seconds: float) -> float:
    database = SqliteDatabase(path)
    database.open()
    store = Store(database)
    admission = Admission(store, run="bench", is_strict=lambda: False)
    pipeline = Recorder(store, Outbox(database, run="bench"), _settings())
    pushes = _Pushes(an_image(), count())
    begun_at, done = time.monotonic(), 0

    async def client() -> None:
        nonlocal done
        while time.monotonic() < begun_at + seconds:
            await pushes.push(admission, pipeline)
            done += 1

    async with asyncio.TaskGroup() as clients:
        for _ in range(_CLIENTS):
            clients.create_task(client())
    elapsed_s = time.monotonic() - begun_at
    await asyncio.to_thread(database.close)
    _check_stored(path, done)
    return done / elapsed_s


def _settings() -> RecorderSettings:
    target = Target(address="http://127.0.0.1:1/")
    policy = WebhookPolicy(id=f"{PROJECT}/ci", project=PROJECT, name="ci", targets=(target,))
    return RecorderSettings(
        hostname="registry.example.com",
        external_url="https://registry.example.com",
        projects=(Project(name=PROJECT),),
        policies=(policy,),
    )


def _check_stored(path: Path, expected: int) -> None:
    connection = sqlite3.connect(path)
    (stored,) = connection.execute("SELECT count(*) FROM deliveries").fetchone()
    connection.close()
    if stored != expected:
        raise RuntimeError(f"{stored} deliveries stored, not {expected}")
