"""A figure with its unit and its peer, and the table of figures; independent of how they are measured."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

_COLUMNS: Final = ("WHAT", "FIGURE", "PEER", "WHICH PEER")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table."""

    what: str
    value: float
    unit: str
    peer: float | None = None  #: in the same unit, measured in the same run
    which: str = ""  #: what the peer is; or what the figure was aimed at


def percentile(values: Sequence[float], fraction: float) -> float:
    """The value below which that fraction of the values lies; 0 if there are none."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * fraction), len(ordered) - 1)] if ordered else 0.0


def table(title: str, figures: Iterable[Figure]) -> str:
    rows = [_COLUMNS, *map(_row, figures)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        f"  {what:<{widths[0]}}  {own:>{widths[1]}}  {peer:>{widths[2]}}  {which}".rstrip()
        for what, own, peer, which in rows
    ]
    return "\n".join([title, *lines, ""])


def _row(figure: Figure) -> tuple[str, str, str, str]:
    peer = "" if figure.peer is None else f"{_number(figure.peer)} {figure.unit}"
    ratio = f"(x {figure.value / figure.peer:.2f})" if figure.peer and figure.value * figure.peer > 0 else ""
    which = f"{figure.which} {ratio}".strip()
    return figure.what, f"{_number(figure.value)} {figure.unit}", peer, which


def _number(value: float) -> str:
    """Three significant digits."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
