from pathlib import Path

import pytest

from sidecar.config.environment import keys
from sidecar.config.model import HarborYml
from sidecar.model.secrets import Secret
from tests.unit.config.conftest import TARGET, Errors, Load, one_target


def test_one_newline_at_the_end_goes(load_text: Load, tmp_path: Path) -> None:
    (tmp_path / "header").write_bytes(b"Bearer x\r\n")
    loaded = load_text(one_target(auth_header_file="header"))
    assert loaded.policies[0].targets[0].auth_header == Secret("Bearer x")
    assert loaded.files == (tmp_path / "header",)


def test_absolute_paths_stay(load_text: Load, tmp_path: Path) -> None:
    path = tmp_path / "elsewhere"
    path.write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    assert load_text(one_target(secret_file=str(path))).files == (path,)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"Bearer x\n\n", "must be one line of ASCII text; remove line breaks and control characters"),
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\xff", "is not UTF-8 text"),
        (b"x" * 70_000, "is larger than 64 KiB"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_errors_name_the_key_of_the_file(
    errors_of: Errors, tmp_path: Path, content: bytes | None, error: str
) -> None:
    if content is not None:
        (tmp_path / "header").write_bytes(content)
    (found,) = errors_of(one_target(auth_header_file="header"))
    assert found.startswith(f"harbor.yml: {TARGET}.auth_header_file: ")
    assert found.endswith(error)


def test_a_folder_is_no_secret(errors_of: Errors, tmp_path: Path) -> None:
    (tmp_path / "header").mkdir()
    (found,) = errors_of(one_target(auth_header_file="header"))
    assert found.endswith("cannot be read: Is a directory")


def test_a_secret_and_its_file_exclude_each_other(errors_of: Errors, tmp_path: Path) -> None:
    (tmp_path / "header").write_text("x")
    assert errors_of(one_target(auth_header="y", auth_header_file="header")) == [
        f"harbor.yml: {TARGET}.auth_header_file: stands beside auth_header; remove one of the two"
    ]


def test_every_secret_can_be_a_file() -> None:
    """Words that name secrets, with the keys that are none listed here."""
    found = set(keys(HarborYml))
    for location in found:
        name = str(location[-1])
        if not name.endswith("_file") and any(
            word in name for word in ("password", "secret", "auth_", "credential")
        ):
            assert (*location[:-1], f"{name}_file") in found


def test_header_may_stand_in_a_file(load_text: Load, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("s3cret\n")
    loaded = load_text(one_target(headers="{X-Api-Key: {value_file: key}, X-Team: platform}"))
    headers = loaded.policies[0].targets[0].headers
    assert dict(headers) == {"X-Api-Key": Secret("s3cret"), "X-Team": Secret("platform")}
    assert loaded.files == (tmp_path / "key",)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("{value_file: nowhere}", ".value_file: "),
        ("{file: key}", ": must be text, or a mapping with one key, value_file: a path"),
        ("{value_file: a, b: c}", ": must be text, or a mapping with one key, value_file: a path"),
        ("{value_file: 1}", ": must be text, or a mapping with one key, value_file: a path"),
        ("1", ": must be text; put it in quotes"),
        ("''", ": must not be empty"),
    ],
)
def test_errors_of_header_values(errors_of: Errors, value: str, error: str) -> None:
    (found,) = errors_of(one_target(headers=f"{{X-Key: {value}}}"))
    assert found.startswith(f"harbor.yml: {TARGET}.headers.X-Key{error}")


def test_header_of_a_file_is_checked_like_any_other(errors_of: Errors, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("s3\ncret")
    (found,) = errors_of(one_target(headers="{X-Key: {value_file: key}}"))
    assert found.startswith(f"harbor.yml: {TARGET}.headers.X-Key.value_file: must be one line")
    assert "cret" not in found
