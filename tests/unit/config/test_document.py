import tracemalloc
from pathlib import Path

import pytest

from sidecar.config.document import parse_value, read_document
from sidecar.config.errors import Errors


def _read(path: Path, content: bytes | str) -> tuple[object, list[str]]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    errors = Errors("harbor.yml")
    return read_document(path, errors), [line.removeprefix("harbor.yml: ") for line in errors.lines]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "harbor.yml"


def test_plain_values(path: Path) -> None:
    text = "a: 1\nb: 1.5\nc: [true, no, ~]\nd: {e: x}\nf: 2024-01-01\ng: =\n1: one\n"
    assert _read(path, text) == (
        {
            "a": 1,
            "b": 1.5,
            "c": [True, False, None],
            "d": {"e": "x"},
            "f": "2024-01-01",
            "g": "=",
            "1": "one",
        },
        [],
    )


def test_aliases_are_separate_copies(path: Path) -> None:
    values, _ = _read(path, "a: &x [1]\nb: *x\n")
    assert isinstance(values, dict)
    assert values["a"] == values["b"]
    assert values["a"] is not values["b"]


def test_byte_order_mark_is_ignored(path: Path) -> None:
    assert _read(path, b"\xef\xbb\xbfa: 1") == ({"a": 1}, [])


def test_a_key_twice_is_refused_with_both_lines(path: Path) -> None:
    _, errors = _read(path, "a: 1\nb: {c: 1,\n  c: 2}\na: 3\n")
    assert errors == [
        "line 3: key c stands already in line 2; remove one of the two",
        "line 4: key a stands already in line 1; remove one of the two",
    ]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("", "is empty; start from harbor.yml.example"),
        ("# nothing\n", "is empty; start from harbor.yml.example"),
        ("- a\n", "must hold keys and values, as `hostname: registry.example.com`"),
        ("a:\n\tb: 1\n", "line 2, column 1: a tab where spaces are needed; indent with spaces"),
        (b"a: 1\nb: \xff\n", "line 2: is not UTF-8; save the file as UTF-8"),
        ("a: 1\nb: \x07\n", "line 2: holds a character that YAML does not allow; remove it"),
        ("a: [1\nb: 2\n", "line 2, column 2: expected ',' or ']', but got ':'; "),
        ("a: 1\n---\nb: 2\n", "line 2, column 1: but found another document; "),
        ("a: *sekrit\n", "line 1, column 4: found undefined alias this; "),
        (
            "a: !!python/object:os.system x\n",
            "line 1: a YAML tag is not allowed here; put the value in quotes",
        ),
        ("a: !!int x\n", "line 1: is not a number that can be used; put text in quotes"),
        ("a: 9" + "9" * 5000, "line 1: is not a number that can be used; put text in quotes"),
        ("[a]: 1\n", "line 1: a key must be plain text (merging with << is not offered)"),
        ("a: &x {b: 1}\nc: {<<: *x}\n", "line 2: a key must be plain text (merging with << is not offered)"),
        ("[" * 100 + "]" * 100, "line 1: is nested too deeply, or holds more than 200000 values"),
        ("[" * 5000, "line 1: is nested too deeply"),
        ("a: &x [*x]\n", "line 1: is nested too deeply, or its aliases multiply"),
    ],
)
def test_what_cannot_be_read_says_where_and_why(path: Path, content: bytes | str, error: str) -> None:
    _, errors = _read(path, content)
    assert any(found.startswith(error) for found in errors), errors


def test_aliases_that_multiply_are_refused(path: Path) -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    _, errors = _read(path, "\n".join(lines))
    assert errors[0].endswith("is nested too deeply, or its aliases multiply")


def test_too_large_a_file_is_refused(path: Path) -> None:
    _, errors = _read(path, b"#" * (4 * 1024 * 1024 + 1))
    assert errors == ["is larger than 4194304 bytes"]


def test_a_missing_file_says_how_to_name_another(path: Path) -> None:
    errors = Errors("harbor.yml")
    assert read_document(path, errors) is None
    assert errors.lines == (f"harbor.yml: no such file: {path}; name it with --config or SIDECAR_CONFIG",)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    errors = Errors("harbor.yml")
    assert read_document(tmp_path, errors) is None
    assert errors.lines == (f"harbor.yml: cannot be read: Is a directory ({tmp_path})",)


def test_single_values() -> None:
    assert parse_value("12") == 12
    assert parse_value("[a, 10.0.0.0/8]") == ["a", "10.0.0.0/8"]
    assert parse_value("") is None
    with pytest.raises(ValueError, match=r"^line 1, column 8: .*mend the YAML"):
        parse_value("[sekrit")
    with pytest.raises(ValueError, match="stands already in line 1"):
        parse_value("{a: 1, a: 2}")


def test_a_character_written_in_halves_as_json_does_is_one() -> None:
    assert parse_value(r'{"\ud83d\ude80": "go \ud83d\ude80"}') == {"\N{ROCKET}": "go \N{ROCKET}"}


@pytest.mark.parametrize("text", [r'"\ud83d"', r'"\ude80\ud83d"', r'"\ud83d": 1'])
def test_half_of_a_character_is_an_error_in_its_line(text: str) -> None:
    with pytest.raises(ValueError, match=r"line 1: holds half of a character"):
        parse_value(text)


@pytest.mark.slow
def test_reading_stops_before_a_large_file_has_taken_its_memory() -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="holds more than 200000 values"):
            parse_value("- a\n" * 1_000_000)
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most_bytes < 300_000_000  # of all it would be over a gigabyte
