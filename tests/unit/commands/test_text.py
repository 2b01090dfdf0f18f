import shutil
import sys
from datetime import UTC, datetime
from os import terminal_size

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.commands.text import cut, echo_lines, plain, table, when


@given(st.text(st.characters()))
def test_nothing_that_is_shown_does_anything_to_a_terminal(text: str) -> None:
    assert plain(text).isprintable()
    assert len(plain(text)) == len(text)
    plain(text).encode()


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert list(table([("A", "B"), ("long", "x\n"), ("s", "")])) == ["A      B", "long   x�", "s"]


def test_row_that_is_too_wide_takes_several_lines() -> None:
    rows = [("A", "B", "C", "D"), ("long", "x", "y", "the longest of all")]
    assert list(table(rows, 12)) == [
        *("A      B   C", "   D"),
        *("long   x   y", "   the longest of all"),
    ]
    assert list(table(rows, 33)) == list(table(rows)), "as it fits"
    assert len(list(table(rows, 32))) == 4


def test_what_is_twice_as_wide_counts_twice() -> None:
    assert list(table([("A", "B"), ("漢字", "x"), ("a\u0301", "y")])) == [
        "A      B",
        "漢字   x",
        "a\u0301      y",
    ]
    assert cut("漢字漢字", 8) == "漢字漢字"
    assert cut("漢字漢字", 7) == "漢字漢…"
    assert cut("漢字漢字", 6) == "漢字…"


def test_lines_are_cut_only_where_a_terminal_ends_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    echo_lines(["x" * 300])
    assert capsys.readouterr().out == "x" * 300 + "\n"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: terminal_size((5, 24)))
    echo_lines(["123456", "12345"])
    assert capsys.readouterr().out == "1234…\n12345\n"
    assert cut("123456", 6) == "123456"


def test_times_are_utc_to_the_second() -> None:
    assert when(datetime(2026, 1, 2, 3, 4, 5, 999, tzinfo=UTC)) == "2026-01-02 03:04:05"
    assert when(None) == "-"
