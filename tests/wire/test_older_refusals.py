"""Refusals of servers that cannot be had here, played through the whole program: Harbor 1.x and Quay.

Sources: Harbor v1.10.0 src/core/middlewares (sizequota, countquota, chart; util.HandleCommonError and http.Error),
Quay endpoints/v2/errors.py (QuotaExceeded).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.receiver import Answer, Received, Receiver
from tests.support.servers import Sidecar, policy

Json = dict[str, Any]
SIZE = (
    "adding 10.0 MiB of storage resource, which when updated to current usage of 95.0 MiB "
    "will exceed the configured upper limit of 100.0 MiB."
)
NUMBER = (
    "adding 1 of count resource, which when updated to current usage of 3 "
    "will exceed the configured upper limit of 3."
)
PREFIX = "Quota exceeded when processing the request of "
PLAIN = {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}
QUAY = b'{"errors":[{"code":"DENIED","message":"Quota has been exceeded on namespace","detail":{}}]}\n'
UPLOAD = "/v2/prj/app/blobs/uploads/"


def of_harbor_1(words: str, detail: Any = None) -> Answer:
    error = {"code": "DENIED", "message": PREFIX + words, "detail": detail or PREFIX + words}
    body = json.dumps({"errors": [error]}, separators=(",", ":")) + "\n"
    return Answer(status=403, headers=PLAIN, body=body.encode())


@dataclass(frozen=True, slots=True)
class Case:
    method: str
    path: str
    answer: Answer
    details: str
    full_name: str = "prj/app"
    tag: str = ""


CASES = {
    "Harbor 1, layer": Case("PUT", f"{UPLOAD}1?digest=sha256%3A{'a' * 64}", of_harbor_1(SIZE), SIZE),
    "Harbor 1, mount": Case("POST", f"{UPLOAD}?mount=sha256:{'a' * 64}&from=prj/b", of_harbor_1(SIZE), SIZE),
    "Harbor 1, manifest": Case("PUT", "/v2/prj/app/manifests/v1", of_harbor_1(NUMBER), NUMBER, tag="v1"),
    "Harbor 1, manifest, both limits": Case(
        "PUT", "/v2/prj/app/manifests/v1", of_harbor_1(f"{NUMBER}; {SIZE}"), f"{NUMBER}; {SIZE}", tag="v1"
    ),
    "Harbor 1, chart": Case(
        "POST",
        "/api/prj/charts",
        Answer(status=403, headers=PLAIN, body=f"{PREFIX}{NUMBER}\n".encode()),
        NUMBER,
        full_name="prj",
    ),
    "Quay, layer": Case(
        "POST",
        UPLOAD,
        Answer(status=403, headers={"Content-Type": "application/json"}, body=QUAY),
        "Quota has been exceeded on namespace",
    ),
    "Quay, manifest": Case(
        "PUT",
        "/v2/prj/app/manifests/v1",
        Answer(status=403, headers={"Content-Type": "application/json"}, body=QUAY),
        "Quota has been exceeded on namespace",
        tag="v1",
    ),
}


class Upstream:
    """Registry and chart repository, which refuse everything with what they are told."""

    answer = Answer()

    def respond(self, _: Received) -> Answer:
        return self.answer


@dataclass
class Stack:
    sidecar: Sidecar
    receiver: Receiver
    upstream: Upstream


@pytest.fixture(scope="module", params=["grouped", "exact"])
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    upstream = Upstream()
    with Receiver() as receiver, Receiver(upstream.respond) as listening:
        told = policy(f"{receiver.url}/documented")
        told["targets"] += policy(f"{receiver.url}/default", payload_format="Default")["targets"]
        folder: Path = tmp_path_factory.mktemp("older")
        with Sidecar(
            folder,
            registry=listening.url,
            chart_repository=listening.url,
            mode=request.param,
            projects=[{"name": "prj", "webhook_policies": [told]}],
        ) as sidecar:
            yield Stack(sidecar=sidecar, receiver=receiver, upstream=upstream)


@pytest.mark.parametrize("name", CASES)
def test_refusal_is_told_once_in_the_words_of_its_reason(stack: Stack, name: str) -> None:
    case = CASES[name]
    stack.upstream.answer = case.answer
    stack.receiver.clear()
    answer = httpx.request(
        case.method,
        stack.sidecar.url + case.path,
        content=b"{}",
        headers={"User-Agent": name, "Content-Type": "application/octet-stream"},
        auth=("alice", "secret"),
        trust_env=False,
    )
    assert (answer.status_code, answer.content) == (403, case.answer.body)
    stack.receiver.wait_for(2)
    got = {received.path: received.json() for received in stack.receiver.settle(0.3)}
    assert len(stack.receiver.requests) == 2
    (told,) = got["/documented"]["events"]
    assert (told["full_name"], told["tag"], told["details"]) == (case.full_name, case.tag, case.details)
    assert (told["project"], told["username"]) == ("prj", "alice")
    assert got["/default"]["type"] == "QUOTA_EXCEED"
    assert got["/default"]["event_data"]["custom_attributes"] == {"Details": case.details}
    assert got["/default"]["event_data"]["repository"]["repo_full_name"] == case.full_name
