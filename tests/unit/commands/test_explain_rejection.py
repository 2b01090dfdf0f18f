import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.commands.conftest import Run

RULES = """\
quota:
  rejections:
    - {name: ours, text: tenant * is out of space}
    - {name: insufficient-storage, enabled: false}
"""
ANSWER = b"""HTTP/1.1 100 Continue\r
\r
HTTP/2 403 \r
content-type: application/json\r
\r
{"errors":[{"code":"DENIED","message":"tenant 5 is out of space"}]}"""


@pytest.fixture
def config(path: Path) -> str:
    path.write_text(path.read_text() + RULES)
    return str(path)


def test_an_answer_as_curl_writes_it_matches_a_rule_of_ones_own(
    run: Run, config: str, tmp_path: Path
) -> None:
    answer = tmp_path / "answer.txt"
    answer.write_bytes(ANSWER)
    result = run("explain-rejection", str(answer), "--config", config)
    assert result.exit_code == 0, result.output
    first, _, words, *_ = result.output.splitlines()
    assert first == "Rule ours matches. details: tenant 5 is out of space"
    assert words == "It says: DENIED tenant 5 is out of space"


def test_a_body_alone_needs_its_status(run: Run, config: str, tmp_path: Path) -> None:
    body = tmp_path / "body.json"
    body.write_bytes(b"no space left on device")
    assert run("explain-rejection", str(body), "--config", config).exit_code == 2
    assert run("explain-rejection", str(body), "--status", "500", "--config", config).exit_code == 0


def test_what_no_rule_matches_is_said_with_why(run: Run, config: str, tmp_path: Path) -> None:
    answer = tmp_path / "answer.txt"
    answer.write_bytes(b"HTTP/1.1 507 Insufficient Storage\nRetry-After: 5\n\n")
    result = run("explain-rejection", str(answer), "--json", "--config", config)
    assert result.exit_code == 1
    document = json.loads(result.output)
    assert (document["rule"], document["details"]) == (None, None)
    verdicts = {rule["name"]: rule["verdict"] for rule in document["rules"]}
    assert verdicts["harbor"] == "is for status 403"
    assert "insufficient-storage" not in verdicts


@pytest.mark.parametrize(("write", "status"), [("blob", 0), ("chart", 0), ("manifest", 1)])
def test_what_was_to_be_written_decides_too(
    run: Run, config: str, tmp_path: Path, write: str, status: int
) -> None:
    answer = tmp_path / "answer.txt"
    answer.write_bytes(b"HTTP/1.1 413 Too Large\r\n\r\n")
    result = run("explain-rejection", str(answer), "--write", write, "--config", config)
    assert result.exit_code == status, result.output


def test_control_characters_of_an_answer_do_not_reach_the_terminal(
    run: Run, config: str, tmp_path: Path
) -> None:
    answer = tmp_path / "answer.txt"
    answer.write_bytes(b"HTTP/1.1 403 F\r\n\r\ntenant \x1b[31m is out of space\x1b]0;x\x07")
    result = run("explain-rejection", str(answer), "--config", config)
    assert result.exit_code == 0
    assert "\x1b" not in result.output


@pytest.mark.parametrize("squeeze", [gzip.compress, bytes], ids=["curl -i", "curl -i --compressed"])
def test_a_compressed_answer_is_read_as_the_proxy_reads_it(
    run: Run, config: str, tmp_path: Path, squeeze: Callable[[bytes], bytes]
) -> None:
    answer = tmp_path / "answer.txt"
    answer.write_bytes(b"HTTP/2 403\r\nContent-Encoding: GZip\r\n\r\n" + squeeze(b"tenant 5 is out of space"))
    result = run("explain-rejection", str(answer), "--config", config)
    assert result.output.startswith("Rule ours matches. details: tenant 5 is out of space\n")


def test_an_answer_that_is_no_refusal_is_called_so(run: Run, config: str, tmp_path: Path) -> None:
    answer = tmp_path / "answer.txt"
    answer.write_bytes(b"HTTP/1.1 201 Created\r\n\r\ntenant 5 is out of space")
    result = run("explain-rejection", str(answer), "--config", config)
    assert result.exit_code == 1
    assert result.output.startswith("Status 201 is no refusal")
