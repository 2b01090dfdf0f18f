import json
from pathlib import Path

import pytest

from tests.unit.commands.conftest import Run

TEMPLATE = """\
      - name: chat
        event_types: [pushImage, uploadChart]
        targets:
          - address: https://chat.example.com/sekrit
            payload_format: Template
            template: '{"text": {{ (event_type ~ " " ~ event.full_name) | tojson }}}'
          - address: http://other
"""


@pytest.fixture
def config(path: Path) -> str:
    path.write_text(path.read_text() + TEMPLATE)
    return str(path)


def test_all_that_a_policy_wants_to_all_its_targets(run: Run, config: str) -> None:
    result = run("preview", "--policy", "chat", "--config", config)
    assert result.exit_code == 0
    heads = [line for line in result.output.splitlines() if line.startswith("#")]
    assert heads == [
        "# pushImage to https://chat.example.com, application/json",
        "# pushImage to http://other, application/json",
        "# uploadChart to https://chat.example.com, application/json",
        "# uploadChart to http://other, application/json",
    ]
    assert '{"text": "pushImage prj/repo1"}' in result.output
    assert "sekrit" not in result.output


def test_one_event_type_in_either_spelling_for_scripts(run: Run, config: str) -> None:
    arguments = ("--policy", "prj/chat", "--event-type", "UPLOAD_CHART", "--json")
    shown = json.loads(run("preview", *arguments, "--config", config).output)
    assert [entry["target"] for entry in shown] == [0, 1]
    assert json.loads(shown[0]["body"]) == {"text": "uploadChart prj/web"}
    assert json.loads(shown[1]["body"])["event_type"] == "uploadChart"


def test_event_that_the_template_is_not_made_for_says_so(run: Run, config: str, path: Path) -> None:
    path.write_text(path.read_text().replace("event.full_name", "event.digest").replace(", uploadChart", ""))
    result = run("preview", "--policy", "chat", "--event-type", "uploadChart", "--config", config)
    assert result.exit_code == 1
    assert "the template failed: line 1: there is no 'digest'" in result.output


def test_default_is_shown_with_the_date_of_the_repository(run: Run, config: str, path: Path) -> None:
    path.write_text(
        path.read_text().replace(
            "- address: http://other", "- address: http://other\n            payload_format: Default"
        )
    )
    shown = run("preview", "--policy", "chat", "--event-type", "pushImage", "--json", "--config", config)
    body = json.loads(json.loads(shown.output)[1]["body"])
    assert body["event_data"]["repository"]["date_created"] < body["occur_at"]


def test_event_that_the_format_does_not_support_is_said_not_to_be_sent(
    run: Run, config: str, path: Path
) -> None:
    path.write_text(
        path.read_text()
        .replace("- address: http://other", "- address: http://other\n            payload_format: CDEvents")
        .replace("uploadChart]", "projectQuota]")
    )
    result = run("preview", "--policy", "chat", "--config", config)
    assert result.exit_code == 0
    heads = [line for line in result.stdout.splitlines() if line.startswith("#")]
    assert heads == [
        "# pushImage to https://chat.example.com, application/json",
        "# pushImage to http://other, application/cloudevents+json",
        "# projectQuota to https://chat.example.com, application/json",
        "# projectQuota to http://other: not sent, CDEvents has no event type for it",
    ]
    assert '"type":"dev.cdevents.artifact.published.0.3.0"' in result.stdout


def test_unknown_policy(run: Run, config: str) -> None:
    assert run("preview", "--policy", "prj/nobody", "--config", config).exit_code == 2
