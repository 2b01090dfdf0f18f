"""Exchanges as real clients make them, written as a short transcript.

wire = Wire(sql, Holds())
wire.put("prj/app", "v1", manifest)       # what the registry answered 201
wire.head("prj/app", "v1", manifest); wire.get("prj/app", digest_of(manifest), manifest)
wire.after(seconds=4); wire.events
"""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import uuid4

from sidecar.detectors import detect
from sidecar.detectors.due import due
from sidecar.detectors.grouping import Holds
from sidecar.detectors.scopes import scope_of
from sidecar.model.changes import Decided, Detected
from sidecar.model.event import Event
from sidecar.model.exchange import Body, Client, Exchange, Facts, Outcome
from sidecar.model.manifest import OCI_INDEX, OCI_MANIFEST, Manifest, parse_manifest
from sidecar.model.memory import Snapshot
from sidecar.model.names import Digest, parse_reference, parse_repository
from sidecar.model.operation import DeleteManifest, GetManifest, HeadManifest, Operation, PutManifest, Routes
from sidecar.quota.rules import Rejection
from sidecar.store.decisions import write_decision
from sidecar.store.held import note_blob_fetched
from sidecar.store.repositories import note_upload
from sidecar.store.snapshots import held_snapshot, snapshot_of

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DOCKER = Client(address="10.1.2.3", operator="alice", user_agent="docker/20.10")
SKOPEO = Client(address="10.1.2.3", operator="alice", user_agent="skopeo/1.9.3")


def a_digest(seed: str) -> str:
    return f"sha256:{sha256(seed.encode()).hexdigest()}"


def a_manifest(seed: str = "app", *, subject: bytes | None = None, config_type: str = "") -> bytes:
    """An image manifest of two layers: 100 + 200 bytes of them, a config of 10 bytes."""
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {
            "mediaType": config_type or "application/vnd.oci.image.config.v1+json",
            "digest": a_digest(f"{seed}-config"),
            "size": 10,
        },
        "layers": [
            {
                "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                "digest": a_digest(f"{seed}-{size}"),
                "size": size,
            }
            for size in (100, 200)
        ],
    }
    if subject is not None:
        document["subject"] = {
            "mediaType": OCI_MANIFEST,
            "digest": digest_of(subject),
            "size": len(subject),
        }
    return json.dumps(document).encode()


def an_index(children: Sequence[tuple[bytes, str]]) -> bytes:
    """An index of (manifest, os/architecture) pairs; "" names no platform, "unknown" is an attestation."""
    return json.dumps(
        {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [_child(*child) for child in children]}
    ).encode()


def _child(manifest: bytes, platform: str) -> dict[str, Any]:
    media_type = json.loads(manifest)["mediaType"]
    child: dict[str, Any] = {"mediaType": media_type, "digest": digest_of(manifest), "size": len(manifest)}
    if platform == "unknown":
        child["platform"] = {"os": "unknown", "architecture": "unknown"}
    elif platform:
        os, architecture = platform.split("/")
        child["platform"] = {"os": os, "architecture": architecture}
    return child


def digest_of(manifest: bytes) -> Digest:
    return Digest(f"sha256:{sha256(manifest).hexdigest()}")


def a_body(manifest: bytes) -> Body:
    return Body(manifest, json.loads(manifest)["mediaType"])


def parsed(manifest: bytes) -> Manifest:
    return parse_manifest(manifest, json.loads(manifest)["mediaType"])


def about(manifest: bytes) -> dict[str, Any]:
    """What an exchange has learnt of a manifest that went by."""
    return {"manifest": parsed(manifest), "content_digest": digest_of(manifest)}


@dataclass
class Wire:
    """Plays exchanges against the real detectors and what the real store remembers."""

    sql: sqlite3.Connection
    holds: Holds | None = field(default_factory=Holds)
    client: Client = DOCKER
    now: datetime = START
    events: list[Event] = field(default_factory=list)

    def put(self, repository: str, reference: str, manifest: bytes, /, **more: Any) -> None:
        status = more.pop("status", 201)
        self._manifest(PutManifest, repository, reference, status, **(about(manifest) | more))

    def get(self, repository: str, reference: str, manifest: bytes, /, **more: Any) -> None:
        status = more.pop("status", 200)
        self._manifest(GetManifest, repository, reference, status, **(about(manifest) | more))

    def head(self, repository: str, tag: str, manifest: bytes, **more: Any) -> None:
        self._manifest(HeadManifest, repository, tag, 200, content_digest=digest_of(manifest), **more)

    def delete(self, repository: str, reference: str, *, facts: Facts, status: int = 202) -> None:
        self._manifest(DeleteManifest, repository, reference, status, facts=facts)

    def fetch_blob(self, repository: str, digest: str = "") -> None:
        """A layer, unless another blob is named."""
        self.after(seconds=0.01)
        name = parse_repository(repository, default_project="library")
        note_blob_fetched(self.sql, self.client, name, Digest(digest or a_digest("layer")))

    def upload_blob(self, repository: str) -> None:
        note_upload(self.sql, parse_repository(repository, default_project="library"), at=self.now)

    def after(self, *, seconds: float) -> None:
        """Let time pass; held events come due on the way."""
        self.now += timedelta(seconds=seconds)
        self.events += self.due(self.now)

    def due(self, now: datetime, *, several_workers: bool = False) -> tuple[Event, ...]:
        holds = self.holds or Holds()
        held = held_snapshot(self.sql, now=now, pulls_until=now + holds.pull, pushes_until=now + holds.push)
        return self._written(due(held, holds, now, several_workers=several_workers))

    def as_client(self, client: Client) -> "Wire":
        return replace(self, client=client, events=self.events)

    def _manifest(
        self,
        kind: type[PutManifest | GetManifest | HeadManifest | DeleteManifest],
        repository: str,
        reference: str,
        status: int,
        **more: Any,
    ) -> None:
        name = parse_repository(repository, default_project="library")
        self._play(kind(name, parse_reference(reference)), status, **more)

    def _play(self, operation: Operation, status: int, **more: Any) -> None:
        self.after(seconds=0.01)
        exchange = Exchange(
            id=uuid4(),
            operation=operation,
            client=self.client,
            began_at=self.now,
            answered_at=self.now,
            status=status,
            outcome=more.pop("outcome", Outcome.COMPLETED),
            **more,
        )
        self.events += self.detect(exchange)

    def detect(
        self, exchange: Exchange, *, routes: Routes | None = None, rejection: Rejection | None = None
    ) -> tuple[Event, ...]:
        """What an exchange raises; its changes are written, as the store writes them."""
        routes = routes or Routes()
        scope = scope_of(exchange, grouped=self.holds is not None, routes=routes, rejection=rejection)
        raised = self._written(
            detect(
                exchange,
                snapshot_of(self.sql, scope) if scope else Snapshot(),
                holds=self.holds,
                routes=routes,
                now=self.now,
                rejection=rejection,
            )
        )
        # Else a policy for that event alone would never see it: the exchange would not be looked at.
        assert all(type(exchange.operation) in event.type.about.operations for event in raised)
        return raised

    def _written(self, detected: Detected) -> tuple[Event, ...]:
        write_decision(self.sql, Decided(changes=detected.changes))
        return detected.events
