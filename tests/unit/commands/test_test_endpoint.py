import json
from pathlib import Path

import pytest

from tests.support.receiver import Answer, Receiver
from tests.unit.commands.conftest import Run


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "Say which one: --policy or --address."),
        (("--policy", "ci", "--address", "http://h"), "Say which one"),
        (("--policy", "nobody"), "No policy is called nobody;"),
        (("--policy", "prj/nobody"), "No policy is called prj/nobody."),
        (("--address", "ftp://u:sekrit@h"), "--address "),
        (("--address", "http://h", "--auth-header", "sekrit\nx"), "--auth-header "),
        (("--address", "http://h", "--secret", "sekrit!"), "--secret "),
        (("--address", "http://h", "--secret", "@/nowhere"), "/nowhere cannot be read."),
        (("--address", "http://h", "--event-type", "push"), "'push' is none of"),
        (("--address", "http://h", "--event-type", "replication"), "REPLICATION is never raised"),
    ],
)
def test_what_cannot_be_tested_is_said_without_secrets(
    path: Path, run: Run, arguments: tuple[str, ...], says: str
) -> None:
    result = run("test-endpoint", *arguments, SIDECAR_CONFIG=str(path))
    assert result.exit_code == 2
    assert says in result.output
    assert "sekrit" not in result.output


def test_an_address_is_sent_what_was_asked_for(path: Path, run: Run, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("Bearer sekrit\n")
    with Receiver(lambda _: Answer(status=202)) as receiver:
        result = run(
            *(
                "test-endpoint",
                "--address",
                f"{receiver.url}/sekrit",
                "--auth-header",
                f"@{tmp_path / 'token'}",
            ),
            *("--payload-format", "Default", "--event-type", "DELETE_CHART", "--config", str(path)),
        )
    assert result.exit_code == 0, result.output
    (received,) = receiver.requests
    assert (received.path, received.header("Authorization")) == ("/sekrit", "Bearer sekrit")
    assert received.json()["type"] == "DELETE_CHART"
    first, second = result.output.splitlines()
    assert first == f"{receiver.url}  (Default, with auth_header, not signed)"
    assert second.split()[:2] == ["deleteChart", "202"]
    assert "sekrit" not in result.output


def test_a_receiver_that_reads_another_format_is_pointed_out(path: Path, run: Run) -> None:
    with Receiver() as receiver:
        arguments = ("--address", f"{receiver.url}/v1/webhooks/harbor", "--event-type", "IMAGE PUSH")
        result = run("test-endpoint", *arguments, "--config", str(path))
        fitting = run("test-endpoint", *arguments, "--payload-format", "Default", "--config", str(path))
    assert result.exit_code == fitting.exit_code == 0
    assert "this looks like the address of Keel, which reads Default" in result.output
    assert "Keel" not in fitting.output


def test_what_the_format_does_not_support_is_not_sent_and_that_is_said(path: Path, run: Run) -> None:
    with Receiver() as receiver:
        arguments = ("test-endpoint", "--address", receiver.url, "--payload-format", "CDEvents")
        everything = run(*arguments, "--event-type", "all", "--config", str(path))
        nothing = run(*arguments, "--event-type", "projectQuota", "--config", str(path))
        for_scripts = run(*arguments, "--event-type", "projectQuota", "--json", "--config", str(path))
    assert [everything.exit_code, nothing.exit_code, for_scripts.exit_code] == [0, 0, 0]
    assert len(receiver.requests) == 6
    last = "  projectQuota     not sent: CDEvents has no event type for it"
    assert everything.output.splitlines()[-1] == last
    assert nothing.output.splitlines()[1:] == [last]
    (target,) = json.loads(for_scripts.output)["targets"]
    assert (target["attempts"], target["unsent"]) == ([], ["projectQuota"])


def test_a_scan_can_be_tried_before_there_is_one(path: Path, run: Run) -> None:
    with Receiver() as receiver:
        arguments = ("--address", receiver.url, "--event-type", "SCANNING_COMPLETED")
        result = run("test-endpoint", *arguments, "--config", str(path))
    assert result.exit_code == 0, result.output
    (received,) = receiver.requests
    assert received.json()["events"][0]["scan_status"] == "Success"


def test_a_target_that_is_not_there_is_status_1(path: Path, run: Run) -> None:
    with Receiver() as receiver:
        pass
    result = run("test-endpoint", "--address", receiver.url, "--config", str(path))
    assert result.exit_code == 1
    assert "pushImage" in result.output
