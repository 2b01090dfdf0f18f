"""Plain text for people: aligned, as wide as the terminal, and harmless to it."""

import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

import click

_GAP: Final = 3


def plain(text: str) -> str:
    """One line that does nothing to a terminal: clients and targets choose parts of what is shown."""
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows in aligned columns; the first row is their titles."""
    cells = [[plain(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) + _GAP for column in zip(*cells, strict=True)]
    for row in cells:
        yield "".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def echo_lines(lines: Iterable[str]) -> None:
    """Write lines, each cut at the terminal's edge; whole when no terminal reads them."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in lines:
        click.echo(cut(line, width))


def cut(line: str, width: int | None) -> str:
    return line if width is None or len(line) <= width else f"{line[: width - 1]}…"


def when(at: datetime | None) -> str:
    """A time for people, UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if at else "-"
