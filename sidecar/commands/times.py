"""Times as people write them."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

import click

_AGO: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(s|m|h|d|w)")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def parse_moment(text: str, *, now: datetime) -> datetime:
    """`90s`, `1.5h` or `2d` before now, or an RFC 3339 time; one without a zone is UTC. Raises ValueError."""
    ago = _AGO.fullmatch(text.strip())
    try:
        if ago:
            return now - timedelta(seconds=float(ago[1]) * _SECONDS[ago[2]])
        at = datetime.fromisoformat(text.strip())
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as exc:
        raise ValueError(f"{text!r} is no time: write 90s, 15m, 1h or 2d, or 2026-01-02T03:04:05Z") from exc


def moment_option(text: str) -> datetime:
    """The type of an option that is a time, relative to the start of the command."""
    try:
        return parse_moment(text, now=datetime.now(UTC))
    except ValueError as exc:
        raise click.BadParameter(f"{exc}.") from exc
