"""Documents come back as they went in."""

import json
from dataclasses import replace
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.event import Chart, Event, EventType
from sidecar.model.exchange import Body, Client, Facts, Intent, Remembered
from sidecar.model.manifest import Descriptor, Manifest
from sidecar.model.names import Digest, Reference, Repository, Tag
from sidecar.model.operation import DeleteChart, DeleteManifest, PutManifest, UploadChart
from sidecar.model.scan import Severity
from sidecar.store.records import (
    client_from_key,
    client_key,
    event_from_json,
    event_to_json,
    intent_from_json,
    intent_to_json,
    seconds,
)
from tests.support.builders import START
from tests.unit.formats.samples import SCAN_TYPES, an_event, scans

text = st.text(max_size=20)
names = st.builds(Repository, text, text, text)
charts = st.none() | st.builds(
    Chart, name=text, version=text, type=text, size_bytes=st.none() | st.integers(0, 1 << 40), path=text
)
bodies = st.none() | st.builds(Body, st.binary(max_size=40), text)
events = st.builds(
    Event,
    id=st.uuids(),
    type=st.sampled_from(EventType),
    occurred_at=st.just(START),
    operator=text,
    repository=names,
    digest=text,
    tag=text,
    tags=st.lists(text, max_size=3).map(tuple),
    platforms=st.lists(text, max_size=3).map(tuple),
    size_bytes=st.none() | st.integers(0, 1 << 50),
    chart=charts,
    scan=st.none() | st.sampled_from(SCAN_TYPES).flatmap(lambda kind: scans(kind, START)),
)
references = st.one_of(
    st.builds(Reference, tag=text.filter(bool).map(Tag)),
    st.builds(Reference, digest=text.filter(bool).map(Digest)),
)
operations = st.one_of(
    st.builds(PutManifest, names, references),
    st.builds(DeleteManifest, names, references),
    st.builds(UploadChart, text),
    st.builds(DeleteChart, text, text, text),
)
descriptors = st.builds(
    Descriptor,
    digest=text.map(Digest),
    media_type=text,
    size_bytes=st.integers(0, 2**63 - 1),
    platform=text,
    is_attestation=st.booleans(),
)
manifests = st.builds(
    Manifest,
    media_type=text,
    size_bytes=st.integers(0, 2**22),
    config=st.none() | descriptors,
    layers=st.lists(descriptors, max_size=2).map(tuple),
    children=st.lists(descriptors, max_size=2).map(tuple),
    subject=st.none() | st.just(Digest("sha256:a")),
    artifact_type=text,
    left_out_bytes=st.integers(0, 2**63 - 1),
)
facts = st.builds(
    Facts,
    existed=st.none() | st.booleans(),
    digest=st.none() | text.map(Digest),
    tags=st.lists(text, max_size=3).map(tuple),
    other_tags=st.frozensets(text, max_size=3),
    manifest=st.none() | manifests,
    children=st.dictionaries(text.map(Digest), manifests, max_size=2),
    platforms=st.dictionaries(text.map(Digest), text, max_size=2),
    chart=charts,
)
intents = st.builds(
    Intent,
    id=st.uuids(),
    operation=operations,
    client=st.builds(Client, address=text, operator=text, user_agent=text),
    opened_at=st.just(START),
    request_body=bodies,
    content_digest=st.none() | text.map(Digest),
    remembered=st.sampled_from(Remembered),
    facts=facts,
    chart_sizes=st.dictionaries(text.map(Digest), st.integers(0), max_size=2),
    request_id=text,
)


@given(events)
def test_event_survives_the_round_trip(event: Event) -> None:
    assert event_from_json(event_to_json(event)) == event


@given(intents)
def test_intent_survives_the_round_trip(intent: Intent) -> None:
    back = intent_from_json(str(intent.id), seconds(intent.opened_at), intent_to_json(intent))
    assert back == replace(intent, facts=replace(intent.facts))


@given(st.builds(Client, address=text, operator=text, user_agent=text, connection=text))
def test_client_survives_the_round_trip(client: Client) -> None:
    back = client_from_key(client_key(client), client.connection)
    assert (back, back.connection) == (client, client.connection)
    assert client_key(client) == client_key(replace(client, connection="another"))


def test_documents_of_another_version_are_read() -> None:
    event = Event(
        id=UUID(int=1),
        type=EventType.IMAGE_PUSH,
        occurred_at=START,
        operator="",
        repository=Repository("a", "b", "a/b"),
    )
    newer = event_to_json(event).replace('"operator"', '"a_key_of_next_year":1,"operator"')
    assert event_from_json(newer) == event
    older = event_to_json(event).replace('"platforms":[],', "").replace('"chart":null,', "")
    assert event_from_json(older) == event
    assert event_from_json(older.replace('"scan":null,', "")) == event


def test_scans_of_another_version_are_read() -> None:
    event = an_event(EventType.SCAN_COMPLETED)
    assert event.scan
    written = event_to_json(event)
    newer = written.replace('"report_id"', '"cvss":1,"report_id"').replace('"package"', '"cwe":2,"package"')
    assert newer.count("cwe") == len(event.scan.vulnerabilities)
    assert event_from_json(newer.replace('"vendor"', '"home":"","vendor"')) == event
    reworded = event_from_json(written.replace("Medium", "Mediocre")).scan
    assert reworded
    assert reworded.counts[-1] == (Severity.UNKNOWN, 1)


def test_an_intent_that_the_first_version_left_open_is_read() -> None:
    chart = {"name": "web", "version": "1.0.0", "type": "application", "size_bytes": 9, "path": ""}
    document = json.loads(
        intent_to_json(
            Intent(
                id=UUID(int=1),
                operation=UploadChart("prj"),
                client=Client(address="", operator="", user_agent=""),
                opened_at=START,
            )
        )
    )
    del document["chart_sizes"]
    older = document | {"chart": chart, "chart_digest": "sha256:abc"}
    assert intent_from_json(str(UUID(int=1)), 0.0, json.dumps(older)).chart_sizes == {"sha256:abc": 9}
    refused = document | {"chart": None, "chart_digest": None}
    assert intent_from_json(str(UUID(int=1)), 0.0, json.dumps(refused)).chart_sizes == {}
