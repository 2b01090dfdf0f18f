from pathlib import Path
from typing import Any

from sidecar.config.errors import Errors
from sidecar.config.model import PolicySection, TargetSection
from sidecar.config.passes import leave_out_nulls, read_files, validated


def test_nulls_are_left_out_and_unknown_keys_stay() -> None:
    values: dict[str, Any] = {"name": "ci", "tags": None, "unknown": None, "targets": [{"secret": None}, 5]}
    leave_out_nulls(values, PolicySection)
    assert values == {"name": "ci", "unknown": None, "targets": [{}, 5]}


def test_every_file_is_named_and_what_it_holds_is_put_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("sekrit\n")
    errors = Errors("")
    values = {"secret_file": "token", "headers": {"X": {"value_file": "token"}}, "ca_file": "none"}
    found = read_files(values, TargetSection, errors, folder=tmp_path)
    assert found == [tmp_path / "token", tmp_path / "token", tmp_path / "none"]
    assert (values["secret"], values["headers"]) == ("sekrit", {"X": "sekrit"})
    assert [diagnostic.where for diagnostic in errors.diagnostics] == ["ca_file"]


def test_what_does_not_fit_is_none_and_said() -> None:
    errors = Errors("")
    assert validated({"address": 5}, TargetSection, errors) is None
    assert errors.lines == ("address: must be text; put it in quotes",)
    assert validated({"address": "http://h"}, TargetSection, errors)
