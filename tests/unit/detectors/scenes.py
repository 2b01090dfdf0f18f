"""Images and clients of the sequences that are one thing done, and what came of them."""

from dataclasses import replace

from sidecar.model.event import EventType
from sidecar.model.exchange import Client
from tests.support.builders import DOCKER, Wire, a_manifest, an_index

IMAGE = a_manifest("image")
OTHER = a_manifest("other")
AMD64, ARM64 = a_manifest("amd64"), a_manifest("arm64")
INDEX = an_index([(AMD64, "linux/amd64"), (ARM64, "linux/arm64")])
OUTER = an_index([(INDEX, ""), (OTHER, "linux/s390x")])

PUSH, PULL = EventType.IMAGE_PUSH, EventType.IMAGE_PULL
DOCKER_CLI = replace(DOCKER, user_agent="Docker-Client/20.10.24 (linux)")
CRANE = replace(DOCKER, user_agent="crane/v0.21.9")


def on(client: Client, connection: int) -> Client:
    return replace(client, connection=str(connection))


def outcome(wire: Wire) -> list[tuple[EventType, str]]:
    wire.after(seconds=120)
    return [(event.type, event.tag) for event in wire.events]
