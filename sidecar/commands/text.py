"""Plain text for people: aligned, as wide as the terminal, without control characters."""

import shutil
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import Final

import click

_GAP: Final = 3
_WIDE: Final = frozenset("WF")  # as East Asian Width names them


def plain(text: str) -> str:
    """One line without control characters: parts of the text come from clients and targets."""
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )


def table(rows: Sequence[Sequence[str]], width: int | None = None) -> Iterator[str]:
    """Rows in aligned columns; the first row is their titles.

    Where they do not fit the width, each row is wrapped; its first line is not indented.
    """
    cells = [[plain(cell) for cell in row] for row in rows]
    widths = [max(map(columns_of, column)) for column in zip(*cells, strict=True)]
    lines = list(_folded(widths, width))
    for row in cells:
        for line in lines:
            text = "".join(_padded(row[column], widths[column] + _GAP) for column in line)
            yield f"{' ' * _GAP if line.start else ''}{text}".rstrip()


def _folded(widths: Sequence[int], width: int | None) -> Iterator[range]:
    """The columns on each line of a wrapped row."""
    start, taken = 0, 0
    for column, needed in enumerate(widths):
        if width is not None and column > start and taken + needed > width:
            yield range(start, column)
            start, taken = column, _GAP
        taken += needed + _GAP
    yield range(start, len(widths))


def _padded(text: str, width: int) -> str:
    return text + " " * (width - columns_of(text))


def columns_of(text: str) -> int:
    """The number of terminal columns."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in _WIDE else 1


def echo_table(rows: Sequence[Sequence[str]]) -> None:
    """Write a table that fits the terminal; one line for each row when no terminal reads it."""
    echo_lines(table(rows, terminal_width()))


def echo_lines(lines: Iterable[str]) -> None:
    """Write lines, each cut at the terminal's edge; whole when no terminal reads them."""
    width = terminal_width()
    for line in lines:
        click.echo(cut(line, width))


def terminal_width() -> int | None:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def cut(line: str, width: int | None) -> str:
    if width is None or columns_of(line) <= width:
        return line
    ends = accumulate(map(_columns, line))
    return "".join(character for character, end in zip(line, ends, strict=True) if end < width) + "…"


def when(at: datetime | None) -> str:
    """A time for people, UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if at else "-"
