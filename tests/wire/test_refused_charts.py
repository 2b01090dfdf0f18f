"""A chart that ChartMuseum refuses for lack of storage, in every format: named as it is known, and as the schemas say."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import httpx
import pytest
from jsonschema import Draft202012Validator

from tests.support.images import Chart, build_chart
from tests.support.process import ROOT, NotInstalledError
from tests.support.receiver import Receiver
from tests.support.servers import ChartMuseum, Credentials, Sidecar, policy

Json = dict[str, Any]
ALICE = Credentials("alice", "secret")
TARGETS: dict[str, Json] = {
    "documented/projectQuota": {"payload_format": "Documented"},
    "default/QUOTA_EXCEED": {"payload_format": "Default"},
    "cloudevents/harbor.quota.exceeded": {"payload_format": "CloudEvents"},
    "slack/message": {"type": "slack"},
    "teams/message": {"type": "teams"},
}
LARGEST = 100_000
Depth = Literal[0, 1]


@dataclass
class Stack:
    sidecar: Sidecar
    receiver: Receiver
    depth: Depth

    def upload(self, chart: Chart, status: int) -> None:
        project = "/prj" if self.depth else ""
        answer = httpx.post(
            f"{self.sidecar.url}/api{project}/charts",
            content=chart.content,
            auth=ALICE.pair,
            trust_env=False,
        )
        assert answer.status_code == status

    def told(self) -> dict[str, Json]:
        """The body that each target got of one event, of the schema of its format."""
        self.receiver.wait_for(len(TARGETS))
        got = {request.path.strip("/"): request.json() for request in self.receiver.settle(0.3)}
        assert len(self.receiver.requests) == len(TARGETS)
        for name, body in got.items():
            schema = json.loads((ROOT / "schemas" / f"{name}.json").read_text())
            Draft202012Validator(schema).validate(body)
        return got


@pytest.fixture(params=[1, 0], ids=["tenants", "no tenants"])
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """ChartMuseum has room for one chart, which is there."""
    depth: Depth = request.param
    folder = tmp_path_factory.mktemp("charts")
    try:
        museum = ChartMuseum(
            folder / "museum", depth=depth, user=ALICE, max_storage_objects=1, max_upload_size=LARGEST
        )
    except NotInstalledError as missing:
        pytest.skip(str(missing))
    with museum, Receiver() as receiver:
        targets = [
            {"type": "http"} | more | {"address": f"{receiver.url}/{name}"} for name, more in TARGETS.items()
        ]
        project = {
            "name": "prj" if depth else "library",
            "webhook_policies": [policy(receiver.url, event_types=["projectQuota"]) | {"targets": targets}],
        }
        with Sidecar(
            folder / "sidecar",
            registry=museum.url,
            chart_repository=museum.url,
            depth=depth,
            projects=[project],
        ) as sidecar:
            stack = Stack(sidecar=sidecar, receiver=receiver, depth=depth)
            stack.upload(build_chart("first", "1.0.0"), 201)
            yield stack


def facts(told: dict[str, Json]) -> dict[str, str]:
    """What people are told, in Teams as in Slack."""
    _, fact_set = told["teams/message"]["attachments"][0]["content"]["body"]
    in_teams = {fact["title"]: fact["value"] for fact in fact_set["facts"]}
    _, *lines = told["slack/message"]["blocks"][0]["text"]["text"].splitlines()
    assert lines == [f"*{name}:* {fact}" for name, fact in in_teams.items()]
    del in_teams["Time"]
    return in_teams


def data_of(told: dict[str, Json]) -> Json:
    """What Default says, and CloudEvents."""
    data: Json = told["default/QUOTA_EXCEED"]["event_data"]
    assert told["cloudevents/harbor.quota.exceeded"]["data"] == data
    return data


def test_chart_that_does_not_fit_any_more_is_named(stack: Stack) -> None:
    chart = build_chart("web", "1.2.3")
    stack.upload(chart, 507)
    told = stack.told()
    details = "repo has reached storage limit"
    folder = "/prj" if stack.depth else ""
    url = f"{stack.sidecar.url}{folder}/charts/web-1.2.3.tgz"
    project, full_name = ("prj", "prj/web") if stack.depth else ("library", "web")
    (contents,) = told["documented/projectQuota"]["events"]
    assert isinstance(contents.pop("trigger_time"), int)
    assert contents == {
        "project": project,
        "repo_name": "web",
        "tag": "1.2.3",
        "full_name": full_name,
        "image_id": "",
        "project_type": "Private",
        "tags": ["1.2.3"],
        "digest": "",
        "resource_url": url,
        "username": "alice",
        "details": details,
        "chart_name": "web",
        "chart_type": "application",
        "version": "1.2.3",
        "chart_size": len(chart.content),
    }
    repository = {"name": "web", "namespace": project, "repo_full_name": full_name, "repo_type": "private"}
    assert data_of(told) == {
        "resources": [{"tag": "1.2.3"}],
        "repository": repository,
        "custom_attributes": {"Details": details},
    }
    assert facts(told) == {"Resource": url, "Project": project, "User": "alice", "Details": details}


def test_chart_that_is_too_large_is_of_its_project(stack: Stack) -> None:
    stack.upload(build_chart("web", "1.2.3", size=2 * LARGEST), 413)
    told = stack.told()
    details = "request too large"
    place = f"{stack.sidecar.host}/prj" if stack.depth else stack.sidecar.host
    project, full_name = ("prj", "prj") if stack.depth else ("library", "")
    (contents,) = told["documented/projectQuota"]["events"]
    assert isinstance(contents.pop("trigger_time"), int)
    assert contents == {
        "project": project,
        "repo_name": "",
        "tag": "",
        "full_name": full_name,
        "image_id": "",
        "project_type": "Private",
        "tags": [],
        "digest": "",
        "resource_url": place,
        "username": "alice",
        "details": details,
    }
    repository = {"name": "", "namespace": project, "repo_full_name": full_name, "repo_type": "private"}
    assert data_of(told) == {"repository": repository, "custom_attributes": {"Details": details}}
    assert facts(told) == {"Resource": place, "Project": project, "User": "alice", "Details": details}
