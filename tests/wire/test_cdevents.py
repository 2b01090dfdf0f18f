"""CDEvents from the whole program before real servers: by its published schemas, and beside what Default says."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest

from tests.contract.test_formats_cdevents import VALIDATORS
from tests.support.images import (
    Artifact,
    build_artifact,
    build_chart,
    build_chart_artifact,
    build_image,
    upload,
)
from tests.support.process import NotInstalledError
from tests.support.receiver import Received, Receiver
from tests.support.servers import ChartMuseum, Credentials, Registry, Sidecar

Json = dict[str, Any]
USER = Credentials("jürgen", "secret")
ALICE = Credentials("alice", "secret")
PUBLISHED, DOWNLOADED, DELETED = (
    "dev.cdevents.artifact.published.0.3.0",
    "dev.cdevents.artifact.downloaded.0.2.0",
    "dev.cdevents.artifact.deleted.0.2.0",
)


@contextmanager
def told_of(sidecar: Sidecar, receiver: Receiver, count: int) -> Iterator[list[Json]]:
    """What the target of CDEvents is sent of what is done, checked; as many events as Default has of other types."""
    receiver.clear()
    sent: list[Json] = []
    yield sent
    requests = receiver.wait_for(2 * count)
    assert len(receiver.settle(0.3)) == 2 * count
    beside = {request.header("webhook-id") for request in requests if request.path == "/default"}
    sent += [checked(request) for request in requests if request.path == "/cdevents"]
    assert {document["id"] for document in sent} == beside
    assert all(document["source"] == sidecar.url for document in sent)
    sent.sort(key=lambda document: str(document["subject"]))


def checked(request: Received) -> Json:
    assert request.header("Content-Type") == "application/cloudevents+json"
    document: Json = request.json()
    assert document["id"] == request.header("webhook-id")
    VALIDATORS[document["type"]].validate(document["data"])
    assert document["data"]["subject"]["id"] == document["subject"]
    return document


def summary(document: Json) -> tuple[str, str, str]:
    content = document["data"]["subject"]["content"]
    return document["type"], document["subject"], content.get("user", "")


def project(receiver: Receiver) -> Json:
    targets = [
        {"address": f"{receiver.url}/cdevents", "payload_format": "CDEvents"},
        {"address": f"{receiver.url}/default", "payload_format": "Default"},
    ]
    policies = [{"name": "ci", "targets": targets}]
    return {"name": "prj", "oci_chart_events": True, "webhook_policies": policies}


def push(artifact: Artifact, at: Sidecar, repository: str, tag: str) -> None:
    with httpx.Client(trust_env=False) as anonymous:
        assert anonymous.get(f"{at.url}/v2/").status_code == 401
    upload(artifact, registry_url=at.url, repository=repository, tag=tag, auth=USER.pair)


def oci(sidecar: Sidecar, name: str, digest: str, tag: str) -> str:
    version = digest.replace(":", "%3A")
    qualifier = f"&tag={tag}" if tag else ""
    return f"pkg:oci/{name}@{version}?repository_url={sidecar.host}/prj/{name}{qualifier}"


def test_images_and_charts_of_a_registry(tmp_path: Path) -> None:
    image, chart = build_image("cd"), build_chart("web", "1.2.3+b4")
    oci_chart = build_chart_artifact(chart)
    with (
        Registry(tmp_path / "registry", users=[USER]) as registry,
        Receiver() as receiver,
        Sidecar(
            tmp_path / "sidecar",
            registry=registry.url,
            projects=[project(receiver)],
            settings={"events": {"pull_hold_s": 0.2}},
        ) as sidecar,
        httpx.Client(base_url=f"{sidecar.url}/v2/prj", auth=USER.pair, trust_env=False) as client,
    ):
        with told_of(sidecar, receiver, 1) as sent:
            push(image, sidecar, "prj/app", "v1")
        subject = oci(sidecar, "app", image.digest, "v1")
        assert [summary(document) for document in sent] == [(PUBLISHED, subject, "jürgen")]

        with told_of(sidecar, receiver, 1) as sent:
            headers = {"Accept": image.media_type, "User-Agent": "another"}  # who pushed may read it back
            assert client.get(f"/app/manifests/{image.digest}", headers=headers).status_code == 200
        untagged = oci(sidecar, "app", image.digest, "")
        assert [summary(document) for document in sent] == [(DOWNLOADED, untagged, "jürgen")]

        with told_of(sidecar, receiver, 1) as sent:
            assert client.delete(f"/app/manifests/{image.digest}").status_code == 202
        assert [summary(document) for document in sent] == [(DELETED, subject, "jürgen")]

        with told_of(sidecar, receiver, 2) as sent:
            push(oci_chart, sidecar, "prj/web", "1.2.3_b4")
        helm = f"pkg:helm/web@1.2.3%2Bb4?repository_url=oci://{sidecar.host}/prj"
        as_artifact = oci(sidecar, "web", oci_chart.digest, "1.2.3_b4")
        assert [summary(document) for document in sent] == [
            (PUBLISHED, helm, "jürgen"),
            (PUBLISHED, as_artifact, "jürgen"),
        ]


def test_charts_of_chartmuseum_and_what_is_refused(tmp_path: Path) -> None:
    try:
        museum = ChartMuseum(tmp_path / "museum", user=ALICE, max_storage_objects=1)
    except NotInstalledError as missing:
        pytest.skip(str(missing))
    chart = build_chart("web", "1.2.3+b4")
    with (
        museum,
        Receiver() as receiver,
        Sidecar(
            tmp_path / "sidecar",
            registry=museum.url,
            chart_repository=museum.url,
            projects=[project(receiver)],
        ) as sidecar,
        httpx.Client(base_url=sidecar.url, auth=ALICE.pair, trust_env=False) as client,
    ):
        subject = f"pkg:helm/web@1.2.3%2Bb4?repository_url={sidecar.url}/prj"
        with told_of(sidecar, receiver, 1) as sent:
            assert client.post("/api/prj/charts", content=chart.content).status_code == 201
        assert [summary(document) for document in sent] == [(PUBLISHED, subject, "alice")]

        with told_of(sidecar, receiver, 1) as sent:
            assert client.get(f"/prj/charts/{chart.file_name}").status_code == 200
        assert [summary(document) for document in sent] == [(DOWNLOADED, subject, "alice")]

        receiver.clear()
        refused = client.post("/api/prj/charts", content=build_chart("more", "1.0.0").content)
        assert refused.status_code == 507
        receiver.wait_for(1)
        assert [request.path for request in receiver.settle(0.5)] == ["/default"]
        assert receiver.requests[0].json()["type"] == "QUOTA_EXCEED"

        with told_of(sidecar, receiver, 1) as sent:
            assert client.delete("/api/prj/charts/web/1.2.3+b4").status_code == 200
        assert [summary(document) for document in sent] == [(DELETED, subject, "alice")]


@pytest.mark.parametrize("mode", ["grouped", "exact"])
def test_signature_is_no_event_or_an_artifact_of_its_own(
    tmp_path: Path, mode: Literal["grouped", "exact"]
) -> None:
    image = build_image("signed")
    signature = build_artifact(
        b"{}",
        [("application/vnd.dev.cosign.simplesigning.v1+json", b"{}")],
        subject={key: image.descriptor[key] for key in ("mediaType", "digest", "size")},
    )
    with (
        Registry(tmp_path / "registry", users=[USER]) as registry,
        Receiver() as receiver,
        Sidecar(
            tmp_path / "sidecar", registry=registry.url, projects=[project(receiver)], mode=mode
        ) as sidecar,
    ):
        tag = image.digest.replace(":", "-") + ".sig"
        with told_of(sidecar, receiver, 1 if mode == "grouped" else 2) as sent:
            push(image, sidecar, "prj/app", "v1")
            push(signature, sidecar, "prj/app", tag)
        expected = {oci(sidecar, "app", image.digest, "v1")}
        if mode == "exact":
            expected.add(oci(sidecar, "app", signature.digest, tag))
        assert {document["subject"] for document in sent} == expected
        assert {document["type"] for document in sent} == {PUBLISHED}
