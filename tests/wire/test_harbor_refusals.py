"""Pushes that a running Harbor 2.16 refused for lack of storage, played again through the whole program: its
webhooks are those that Harbor sent."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from itertools import count
from typing import Any
from uuid import UUID

import pytest

from tests.support.harbor_acts import (
    ACTS,
    ANOTHER_BODY,
    CLIENT_LEFT,
    REFUSED,
    Act,
    Harbor,
    quota_body,
    read_act,
    replay,
    webhooks,
)
from tests.support.receiver import Received, Receiver
from tests.support.servers import Sidecar, policy

Json = dict[str, Any]

pytestmark = pytest.mark.skipif(not ACTS.is_dir(), reason="recorded acts are not beside the repository")

REFUSALS = (
    "quota-exceed-blob-monolithic",
    "quota-exceed-blob-put",
    "quota-exceed-crane",
    "quota-exceed-helm",
    "quota-exceed-manifest-put",
    "quota-exceed-manifest-put-by-digest",
    "quota-exceed-mount",
    "quota-exceed-oras",
    "quota-exceed-skopeo",
    "quota-exceed-upload-start",
)
#: What is not played, and why.
EXCUSED = {
    "quota-exceed-api-copy": "a copy within Harbor, by its own API: no traffic of a registry",
    "quota-unlimited-again": "a setting of Harbor, by its own API",
    "quota-warning": "QUOTA_WARNING is not one of the nine events; nothing is refused",
}
TEMPLATE = '{"event": {{ event | tojson }}, "type": {{ event_type | tojson }}}'
TARGETS: dict[str, Json] = {
    "default": {"payload_format": "Default"},
    "ce": {"payload_format": "CloudEvents"},
    "documented": {"payload_format": "Documented"},
    "default-1.x": {"payload_format": "Default", "event_names": "1.x"},
    "template": {"payload_format": "Template", "template": TEMPLATE},
    "slack": {"type": "slack"},
    "teams": {"type": "teams"},
}
STARTED = datetime.now(UTC).replace(microsecond=0)
_clients = count(1)


@dataclass
class Stack:
    """The program before something that answers as Harbor does."""

    sidecar: Sidecar
    receiver: Receiver
    upstream: Receiver
    harbor: Harbor

    mode: str = "grouped"

    def play(self, act: Act, *, events: int = 1) -> dict[str, list[Received]]:
        """What each target got of an act, of which so many events are awaited; its client is one of its own."""
        self.receiver.clear()
        self.harbor.follow(act)
        answers = replay(act, self.sidecar.proxy_port, self.upstream, address=f"192.0.2.{next(_clients)}")
        assert [status for status, _ in answers] == [request["status"] for request in act.requests]
        assert [body for status, body in answers if status == REFUSED] == [act.refusal] * len(act.refused)
        self.receiver.wait_for(events * len(TARGETS))
        got = self.receiver.settle(0.5)
        return {name: [one for one in got if one.path == f"/{name}"] for name in TARGETS}


def a_policy(receiver: Receiver) -> Json:
    """All events, in every format."""
    targets = [
        {"type": "http"} | more | {"address": f"{receiver.url}/{name}"} for name, more in TARGETS.items()
    ]
    return policy(receiver.url) | {"targets": targets}


@pytest.fixture(scope="module", params=["exact", "grouped"])
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    harbor = Harbor()
    with Receiver() as receiver, Receiver(harbor.respond) as upstream:
        sidecar = Sidecar(
            tmp_path_factory.mktemp("harbor"),
            registry=upstream.url,
            mode=request.param,
            projects=[{"name": "proj", "webhook_policies": [a_policy(receiver)]}],
        )
        with sidecar:
            yield Stack(
                sidecar=sidecar, receiver=receiver, upstream=upstream, harbor=harbor, mode=request.param
            )


@pytest.fixture(params=REFUSALS)
def played(request: pytest.FixtureRequest, stack: Stack) -> tuple[Act, dict[str, list[Received]]]:
    act = read_act(request.param)
    return act, stack.play(act)


def test_every_recorded_refusal_is_played() -> None:
    there = {path.stem for path in ACTS.glob("quota-*.json")}
    assert there == {*REFUSALS, *EXCUSED}


def test_the_refusal_of_those_whose_client_alone_was_recorded_is_of_the_recorded_form() -> None:
    bodies = [read_act(name).refusal for name in REFUSALS]
    for body in bodies:
        assert body == quota_body(json.loads(body)["errors"][0]["message"])


def test_each_format_tells_what_harbor_told(played: tuple[Act, dict[str, list[Received]]]) -> None:
    """One test for all: an act takes a second to play."""
    act, got = played
    (told,), (told_in_cloudevents,) = webhooks(act.name, "default"), webhooks(act.name, "ce")
    assert len(act.refused) == 1
    assert {name: len(found) for name, found in got.items()} == dict.fromkeys(TARGETS, 1)
    default = _check_default(told, got["default"][0])
    _check_cloudevents(told_in_cloudevents, got["ce"][0])
    assert got["default-1.x"][0].json() == default | {"type": "projectQuota"}
    documented = got["documented"][0].json()
    assert documented == {"event_type": "projectQuota", "events": [_contents(told, documented, default)]}
    assert got["template"][0].json() == {"event": documented["events"][0], "type": "projectQuota"}
    _check_messages(documented["events"][0], got["slack"][0].json(), got["teams"][0].json())


def all_refused(act: Act, *methods: str) -> Act:
    """The act as it is when its client waits for every answer, and all requests of these methods are refused."""
    requests = [
        request | {"status": REFUSED, "request_id": f"r{number}"}
        if request["method"] in methods and request["status"] in {202, REFUSED, CLIENT_LEFT}
        else request
        for number, request in enumerate(act.requests)
    ]
    return replace(act, requests=tuple(requests))


@pytest.mark.parametrize(
    ("methods", "counted"),
    [
        pytest.param(["PUT"], 2, id="both layers"),
        pytest.param(["POST"], 2, id="both starts"),
        pytest.param(["PATCH"], 0, id="pieces, which Harbor never refuses"),
    ],
)
def test_each_refused_request_that_harbor_counts_is_an_event_or_each_push(
    stack: Stack, methods: list[str], counted: int
) -> None:
    act = all_refused(read_act("quota-exceed-crane"), *methods)
    refused = [request for request in act.refused if request["method"] in methods]
    others = len(act.refused) - len(refused)
    assert len(refused) == 2
    events = counted + others if stack.mode == "exact" else 1
    got = stack.play(act, events=events)
    assert {name: len(found) for name, found in got.items()} == dict.fromkeys(TARGETS, events)
    told = {received.json()["requestid"] for received in got["ce"]}
    wanted = {request["request_id"] for request in act.refused if counted or request not in refused}
    assert told == wanted if stack.mode == "exact" else told == {act.refused[0]["request_id"]}


def _with_our_digest(text: str) -> str:
    """A manifest that was put by tag: ours has another digest than the recorded one."""
    body = json.loads(text)
    data = body.get("event_data") or body["data"]
    (resource,) = data.get("resources", [{}])
    ours = f"sha256:{sha256(ANOTHER_BODY).hexdigest()}"
    return text.replace(resource["digest"], ours) if resource.get("tag") else text


def _check_default(told: Json, got: Received) -> Json:
    """Byte for byte but for the time; its document."""
    document: Json = got.json()
    recorded = _with_our_digest(told["raw"])
    assert isinstance(document["occur_at"], int)
    assert got.body.decode() == re.sub(r'"occur_at":\d+', f'"occur_at":{document["occur_at"]}', recorded)
    assert got.header("Content-Type") == dict(told["headers"])["Content-Type"]
    return document


def _check_cloudevents(told: Json, got: Received) -> None:
    document, recorded = got.json(), json.loads(_with_our_digest(told["raw"]))
    assert list(document) == list(recorded)
    assert str(UUID(document["id"])) == document["id"]
    assert re.fullmatch(r"/projects/\d+/webhook/policies/\d+", document["source"])
    assert datetime.strptime(document["time"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC) >= STARTED
    assert document == recorded | {key: document[key] for key in ("id", "source", "time")}
    assert got.header("Content-Type") == dict(told["headers"])["Content-Type"]


def _contents(told: Json, documented: Json, default: Json) -> Json:
    """What the webhook page asks for, out of what Harbor told."""
    recorded = json.loads(_with_our_digest(told["raw"]))
    repository, (resource,) = (
        recorded["event_data"]["repository"],
        recorded["event_data"].get("resources", [{}]),
    )
    tag, digest = resource.get("tag", ""), resource.get("digest", "")
    milliseconds = documented["events"][0]["trigger_time"]
    assert milliseconds // 1000 == default["occur_at"]
    name = documented["events"][0]["resource_url"].partition("/")[0] + "/" + repository["repo_full_name"]
    return {
        "project": repository["namespace"],
        "repo_name": repository["name"],
        "tag": tag,
        "full_name": repository["repo_full_name"],
        "trigger_time": milliseconds,
        "image_id": digest.removeprefix("sha256:"),
        "project_type": repository["repo_type"].capitalize(),
        "tags": [tag] if tag else [],
        "digest": digest,
        "resource_url": f"{name}:{tag}" if tag else f"{name}@{digest}" if digest else name,
        "username": recorded["operator"],
        "details": recorded["event_data"]["custom_attributes"]["Details"],
    }


def _check_messages(contents: Json, slack: Json, teams: Json) -> None:
    told = {
        "Resource": contents["resource_url"],
        "Digest": contents["digest"],
        "Project": contents["project"],
        "User": contents["username"],
        "Details": contents["details"],
    }
    facts = {name: fact for name, fact in told.items() if fact}
    _, fact_set = teams["attachments"][0]["content"]["body"]
    in_teams = {fact["title"]: fact["value"] for fact in fact_set["facts"]}
    title, *lines = slack["blocks"][0]["text"]["text"].splitlines()
    in_slack = dict(re.findall(r"\*(.*?):\* (.*)", line)[0] for line in lines)
    assert title == "*Project quota exceeded*"
    assert in_teams == in_slack == facts | {"Time": in_teams["Time"]}
    at = datetime.strptime(in_teams["Time"], "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)
    assert at.timestamp() == contents["trigger_time"] // 1000
