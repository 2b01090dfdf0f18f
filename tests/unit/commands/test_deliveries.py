from pathlib import Path
from uuid import uuid4

import pytest

from sidecar.commands.deliveries import _payload_text
from sidecar.store.sqlite import SqliteDatabase
from tests.unit.commands.conftest import Run


@pytest.mark.parametrize(
    ("body", "text"), [(b'{"a":"\xc3\xbc"}', '{\n  "a": "ü"\n}'), (b"a: b", "a: b"), (b"\xff", "�")]
)
def test_a_payload_is_laid_out_where_it_is_json(body: bytes, text: str) -> None:
    assert _payload_text(body) == text


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("--state", "lost"), 2, "'lost' is not one of 'waiting', 'sending', 'delivered'"),
        (("--since", "yesterday"), 2, "is no time"),
        (("--event-type", "push"), 2, "'push' is none of pushImage"),
        (("--limit", "0"), 2, "0 is not in the range"),
        (("--policy", "nobody"), 2, "No policy is called nobody"),
        (("show",), 2, "Missing argument 'ID'"),
        ((), 1, "there is no database at"),
    ],
)
def test_what_cannot_be_answered_is_said(
    path: Path, run: Run, arguments: tuple[str, ...], status: int, says: str
) -> None:
    with path.open("a") as file:
        file.write(f"data_volume: {path.parent / 'none'}\n")
    result = run("deliveries", *arguments, SIDECAR_CONFIG=str(path))
    assert (result.exit_code, says in result.output) == (status, True), result.output


def test_an_id_that_names_none_is_said(path: Path, run: Run, tmp_path: Path) -> None:
    with path.open("a") as file:
        file.write(f"data_volume: {tmp_path}\n")
    database = SqliteDatabase(tmp_path / "sidecar.db")
    database.open()
    database.close()
    unknown, too_short = "No delivery has an id that begins with", "is too short: at least 4 characters"
    for identity in ("abcd", "abc", "%", "x' OR 1", str(uuid4())):
        result = run("deliveries", "--config", str(path), "show", identity)
        assert result.exit_code == 1
        assert (too_short if len(identity) < 4 else unknown) in result.output
    assert run("deliveries", "--config", str(path)).output == "No deliveries.\n"
