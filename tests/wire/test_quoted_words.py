"""Real servers quote what a request says of itself in their refusals: that is no word of theirs for lack of storage."""

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.process import require_program
from tests.support.servers import ChartMuseum, Registry, Sidecar, Version, policy

WORDS = ("no space left on device", "quota exceeded", '"Err":28}', "XMinioStorageFull: status code: 507")
OCI = "application/vnd.oci.image.manifest.v1+json"
PROJECTS = [
    {"name": "prj", "webhook_policies": [policy("http://127.0.0.1:9/", event_types=["projectQuota"])]}
]


def a_manifest(words: str, config: str) -> bytes:
    described = {"mediaType": words, "digest": config, "size": 2}
    return json.dumps({"schemaVersion": 2, "mediaType": words, "config": described, "layers": []}).encode()


def a_chart(name: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        content = f"apiVersion: v2\nname: {json.dumps(name)}\nversion: 1.0.0\n".encode()
        entry = tarfile.TarInfo("a/Chart.yaml")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def refusals(client: httpx.Client, words: str) -> Iterator[httpx.Response]:
    manifests = "/v2/prj/app/manifests/v1"
    for config in (words, "sha256:" + "a" * 64):
        for content_type in (OCI, words):
            sent = {"Content-Type": content_type}
            yield client.put(manifests, content=a_manifest(words, config), headers=sent)
    location = client.post("/v2/prj/app/blobs/uploads/").headers["Location"]
    yield client.patch(location, content=b"x", headers={"Content-Range": words})
    yield client.put(location, params={"digest": words})
    yield client.post("/v2/prj/app/blobs/uploads/", params={"digest": words}, content=b"x")


def check_refused_and_no_event(sidecar: Sidecar, answers: list[httpx.Response]) -> None:
    assert sidecar.terminate() == 0
    statuses = [answer.status_code for answer in answers if answer.status_code not in {401, 404, 416}]
    assert sorted(status for status in statuses if status >= 400) == sorted(
        line["status"] for line in sidecar.logged("push.refused")
    )
    assert sidecar.logged("push.rejected") == []


@pytest.mark.parametrize("version", ["3", "2.8"])
def test_words_in_a_request_to_a_registry_are_no_reason(tmp_path: Path, version: Version) -> None:
    require_program("registry" if version == "3" else "docker-registry")
    with (
        Registry(tmp_path / "registry", version=version) as registry,
        Sidecar(tmp_path / "sidecar", registry=registry.url, projects=PROJECTS) as sidecar,
        httpx.Client(base_url=sidecar.url, trust_env=False) as client,
    ):
        check_refused_and_no_event(sidecar, [answer for words in WORDS for answer in refusals(client, words)])


def test_words_in_the_name_of_a_chart_are_no_reason(tmp_path: Path) -> None:
    require_program("chartmuseum")
    require_program("registry")
    with (
        Registry(tmp_path / "registry") as registry,
        ChartMuseum(tmp_path / "charts") as charts,
        Sidecar(
            tmp_path / "sidecar", registry=registry.url, chart_repository=charts.url, projects=PROJECTS
        ) as sidecar,
        httpx.Client(base_url=sidecar.url, trust_env=False) as client,
    ):
        names = [words + ending for words in WORDS for ending in ("x" * 300, "/../\0")]
        check_refused_and_no_event(
            sidecar, [client.post("/api/prj/charts", content=a_chart(name)) for name in names]
        )
