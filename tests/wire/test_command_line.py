"""The commands beside a running sidecar: the real program, its real database, real receivers."""

import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from sidecar.commands.cli import main
from sidecar.formats.samples import SAMPLE_TYPES
from tests.support.builders import a_manifest
from tests.support.process import ROOT, environment
from tests.support.receiver import Answer, Received, Receiver
from tests.support.servers import Sidecar, policy

SECRET = "whsec_c2VjcmV0LW9mLTI0LWJ5dGVzLW9yLW1vcmU="
TOKEN = "Bearer s3cret-t0ken"
Json = dict[str, Any]


def _registry(received: Received) -> Answer:
    if received.method == "PUT":
        digest = f"sha256:{hashlib.sha256(received.body).hexdigest()}"
        return Answer(status=201, headers={"Docker-Content-Digest": digest})
    return Answer()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    sidecar: Sidecar
    receiver: Receiver
    folder: Path

    def push(self, tag: str, repository: str = "prj/app") -> None:
        answer = httpx.put(
            f"{self.sidecar.url}/v2/{repository}/manifests/{tag}",
            content=a_manifest(tag),
            headers={"Content-Type": json.loads(a_manifest(tag))["mediaType"]},
            auth=("alice", "pw"),
        )
        assert answer.status_code == 201

    def run(self, *arguments: str, status: int = 0) -> str:
        """What a command writes to both streams; in this process, as starting Python is most of the time."""
        done = CliRunner().invoke(main, arguments, env={"SIDECAR_CONFIG": str(self.sidecar.configuration)})
        assert done.exit_code == status, done.output
        for secret in (SECRET, "c2VjcmV0", "s3cret-t0ken"):
            assert secret not in done.output
        return done.output

    def read(self, *arguments: str, status: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--json", status=status))

    def start(self, *arguments: str, stderr: int | None = None) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "sidecar", *arguments],
            env=environment(PYTHONPATH=str(ROOT), SIDECAR_CONFIG=str(self.sidecar.configuration)),
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )

    def deliveries(self, *arguments: str) -> list[Json]:
        found: list[Json] = self.read("deliveries", *arguments)["deliveries"]
        return found

    def away(self) -> Json | None:
        (found,) = self.read("policies")["policies"]
        away: Json | None = found["targets"][0]["away"]
        return away

    def until(self, claim: Callable[[], bool], within_s: float = 15) -> None:
        deadline = time.monotonic() + within_s
        while not claim():
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with Receiver(_registry) as registry, Receiver() as receiver:
        projects = [
            {
                "name": "prj",
                "webhook_policies": [
                    policy(f"{receiver.url}/hook?token=t0p", auth_header=TOKEN, secret=SECRET)
                ],
            }
        ]
        settings = {"notification": {"webhook_job_max_retry": 1}}
        with Sidecar(tmp_path / "sidecar", registry=registry.url, projects=projects, settings=settings) as it:
            yield Stage(sidecar=it, receiver=receiver, folder=tmp_path)


def test_deliveries_are_listed_and_shown(stage: Stage) -> None:
    stage.receiver.respond = lambda _: Answer(status=503, body=b"not \x1b[31mtoday")
    stage.push("v1")
    stage.until(lambda: bool(stage.deliveries("--state", "given_up")))
    stage.receiver.respond = lambda _: Answer()
    stage.push("v2")
    stage.until(lambda: bool(stage.deliveries("--state", "delivered")))

    newest, oldest = stage.deliveries()
    assert (newest["state"], oldest["state"]) == ("delivered", "given_up")
    (received, _) = stage.receiver.requests
    assert received.header("webhook-id") == oldest["event_id"]
    table = stage.run("deliveries", "--policy", "receiver", "--project", "prj", "--since", "1h")
    assert [line.split()[0] for line in table.splitlines()] == ["ID", newest["id"][:13], oldest["id"][:13]]

    shown = stage.read("deliveries", "show", oldest["id"][:13])
    assert shown["payload"] == received.json()
    assert shown["headers"]["X-Sidecar-Delivery-Id"] == received.header("X-Sidecar-Delivery-Id")
    (attempt,) = shown["attempts"]
    assert attempt["status"] == 503
    assert attempt["error"] == "answered 503"
    assert attempt["address"] == f"127.0.0.1:{stage.receiver.port}"
    assert attempt["excerpt"] == "not \x1b[31mtoday"
    text = stage.run("deliveries", "show", oldest["id"])
    assert "answered 503" in text
    assert "\x1b" not in text
    assert '"tag": "v1"' in text


def test_what_is_redelivered_arrives_with_the_same_ids(stage: Stage) -> None:
    stage.receiver.respond = lambda _: Answer(status=500)
    for tag in ("v1", "v2", "v3"):
        stage.push(tag, f"prj/{tag}")
    stage.until(lambda: len(stage.deliveries("--state", "failed")) == 3)
    stage.receiver.respond = lambda _: Answer()
    before = {received.header("webhook-id") for received in stage.receiver.requests}
    stage.receiver.clear()

    assert stage.run("redeliver", "--failed", "--since", "1h") == "3 deliveries are sent again.\n"
    again = stage.receiver.wait_for(3)
    assert {received.header("webhook-id") for received in again} == before
    assert {received.header("X-Sidecar-Attempt") for received in again} == {"2"}
    stage.until(lambda: len(stage.deliveries("--state", "delivered")) == 3)

    stage.receiver.clear()
    (delivery, *_) = stage.deliveries()
    assert stage.read("redeliver", delivery["id"]) == {"redelivered": 1}
    (third,) = stage.receiver.wait_for(1)
    assert third.header("X-Sidecar-Attempt") == "3"
    assert third.header("webhook-id") == delivery["event_id"]
    stage.until(lambda: stage.read("deliveries", "show", delivery["id"])["state"] == "delivered")
    shown = stage.read("deliveries", "show", delivery["id"])
    assert [attempt["status"] for attempt in shown["attempts"]] == [500, 200, 200]
    assert stage.run("redeliver", "--failed", "--since", "1h", status=1) == "0 deliveries are sent again.\n"


def test_a_target_that_is_left_alone_is_shown_with_its_times(tmp_path: Path) -> None:
    settings = {"notification": {"retry_waits_s": [3600]}}
    with Receiver(_registry) as registry, Receiver(lambda _: Answer(status=503)) as receiver:
        projects = [{"name": "prj", "webhook_policies": [policy(f"{receiver.url}/hook?token=t0p")]}]
        with Sidecar(tmp_path / "sidecar", registry=registry.url, projects=projects, settings=settings) as it:
            stage = Stage(sidecar=it, receiver=receiver, folder=tmp_path)
            for number in range(5):
                stage.push("v1", f"prj/{number}")
                stage.until(lambda: len(receiver.requests) == number + 1)  # noqa: B023  # asked at once
            stage.until(lambda: stage.away() is not None)
            stage.push("v1", "prj/late")
            stage.until(lambda: bool(stage.deliveries("--limit", "1")))
            (late, first) = stage.deliveries("--limit", "1")[0], stage.deliveries()[-1]
            away = stage.away()
            assert away
            assert away["reason"] == "answered 503"
            assert away["since"] < away["until"]
            assert late["repository"] == "prj/late"
            assert late["target_away"] == first["target_away"] == away
            assert (late["attempt_count"], late["next_attempt_at"]) == (0, away["until"])
            assert first["next_attempt_at"] > first["created_at"]
            words = f"away since {away['since'][:19].replace('T', ' ')} (answered 503), asked again at "
            assert f"target is {words}" in stage.run("deliveries")
            assert words in stage.run("policies")
            shown = stage.run("deliveries", "show", late["id"])
            assert words in shown
            until = away["until"][:19].replace("T", " ")
            assert f"next attempt   {until} UTC at the earliest" in shown

            receiver.respond = lambda _: Answer()
            it.harbor_yml["notification"]["retry_waits_s"] = [1]
            it.reload()
            stage.until(lambda: stage.away() is None)
            stage.until(lambda: bool(stage.deliveries("--state", "delivered")))


def test_policies_say_what_is_on_and_what_was_last_heard(stage: Stage) -> None:
    stage.push("v1")
    stage.receiver.wait_for(1)
    (found,) = stage.read("policies")["policies"]
    (target,) = found["targets"]
    assert (found["id"], found["enabled"]) == ("prj/receiver", True)
    assert target["host"] == stage.receiver.url
    assert (target["auth"], target["signed"], target["cert_verified"]) == (True, True, False)
    assert found["last_triggered"]["pushImage"]
    assert found["last_triggered"]["deleteImage"] is None
    text = stage.run("policies")
    assert "t0p" not in text
    last = text.partition("LAST TRIGGERED")[2].splitlines()[1:]
    assert [line.split()[:2] for line in last] == [["prj/receiver", "pushImage"], ["prj/receiver", "8"]]
    assert last[1].split()[1:] == ["8", "others", "never"]


def test_tail_follows_until_it_is_interrupted(stage: Stage) -> None:
    stage.push("before")
    stage.receiver.wait_for(1)
    with stage.start("tail", "--json", "--since", "1h", "--event-type", "PUSH_ARTIFACT") as following:
        assert following.stdout
        assert json.loads(following.stdout.readline())["tag"] == "before"
        stage.push("v1")
        event = json.loads(following.stdout.readline())
        assert (event["event_type"], event["repository"], event["tag"]) == ("pushImage", "prj/app", "v1")
        assert event["operator"] == "alice"
        following.send_signal(signal.SIGINT)
        assert following.wait(10) == 0
        assert following.stdout.read() == ""


def test_a_policy_is_tested_with_its_real_headers(stage: Stage) -> None:
    report = stage.read("test-endpoint", "--policy", "prj/receiver", "--event-type", "all")
    received = stage.receiver.requests
    assert tuple(request.json()["event_type"] for request in received) == SAMPLE_TYPES
    assert {request.header("Authorization") for request in received} == {TOKEN}
    assert all(request.header("webhook-signature").startswith("v1,") for request in received)
    assert {request.json()["events"][0]["tag"] for request in received} == {"webhook-test"}
    (target,) = report["targets"]
    assert {attempt["event_id"] for attempt in target["attempts"]} == {
        request.header("webhook-id") for request in received
    }
    assert all(attempt["status"] == 200 for attempt in target["attempts"])
    assert {attempt["address"] for attempt in target["attempts"]} == {f"127.0.0.1:{stage.receiver.port}"}
    assert stage.deliveries() == []


def test_a_refusal_of_the_test_is_shown_and_status_1(stage: Stage) -> None:
    stage.receiver.respond = lambda _: Answer(status=401, body=b"who are you? not s3cret-t0ken")
    text = stage.run("test-endpoint", "--policy", "receiver", status=1)
    assert "pushImage" in text
    assert "401" in text
    assert "who are you? not ***" in text


def test_the_certificate_is_told_whether_or_not_it_is_accepted(stage: Stage) -> None:
    with Receiver(tls_in=stage.folder) as secured:
        address = ("test-endpoint", "--address", f"{secured.url}/hook")
        refused = stage.read(*address, status=1)["targets"][0]["certificate"]
        skipped = stage.read(*address, "--skip-cert-verify")["targets"][0]["certificate"]
        text = stage.run(*address, "--skip-cert-verify")
    assert refused["verified"] is False
    assert "certificate is not accepted" in refused["error"]
    assert skipped["error"] == "skip_cert_verify is set"
    assert refused["subject"] == skipped["subject"] != ""
    assert refused["expires_at"] > "2026"
    assert "issued by CN=" in text


def test_the_egress_guard_holds_for_tests_too(stage: Stage) -> None:
    report = stage.read("test-endpoint", "--address", f"{stage.sidecar.admin_url}/readyz", status=1)
    (attempt,) = report["targets"][0]["attempts"]
    assert "the sidecar's own listener" in attempt["error"]
    metadata = stage.run("test-endpoint", "--address", "http://169.254.169.254/latest", status=1)
    assert "not allowed" in metadata


def test_without_a_database_there_is_one_line(stage: Stage) -> None:
    stage.sidecar.harbor_yml["data_volume"] = str(stage.folder / "elsewhere")
    stage.sidecar.write_configuration()
    for arguments in (("deliveries",), ("policies",), ("redeliver", "abcd"), ("tail",)):
        text = stage.run(*arguments, status=1)
        assert text.startswith("Error: there is no database at ")
        assert len(text.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments", [("--help",), ("policies", "--help"), ("deliveries",), ("policies", "--json")]
)
def test_a_command_that_nobody_reads_ends_in_silence(stage: Stage, arguments: tuple[str, ...]) -> None:
    with stage.start(*arguments, stderr=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.close()
        assert process.stderr
        assert process.stderr.read() == ""
    assert process.returncode == -signal.SIGPIPE


def test_a_list_of_nothing_is_an_answer(stage: Stage) -> None:
    assert stage.run("deliveries", "--state", "failed") == "No deliveries.\n"
    assert stage.run("redeliver", "--failed", "--since", "1h", status=1) == "0 deliveries are sent again.\n"
