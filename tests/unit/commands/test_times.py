from datetime import UTC, datetime, timedelta

import click
import pytest

from sidecar.commands.times import moment_option, parse_moment

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("1.5h", timedelta(minutes=90)),
        ("2d", timedelta(days=2)),
        (" 1w ", timedelta(weeks=1)),
    ],
)
def test_a_span_is_before_now(text: str, ago: timedelta) -> None:
    assert parse_moment(text, now=NOW) == NOW - ago


@pytest.mark.parametrize(
    "text",
    ["2026-01-02T03:04:05Z", "2026-01-02T05:04:05+02:00", "2026-01-02 03:04:05", "2026-01-02T03:04:05"],
)
def test_a_time_is_taken_as_it_is_and_without_a_zone_as_utc(text: str) -> None:
    found = parse_moment(text, now=NOW)
    assert found == NOW
    assert found.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "text",
    ["", "h", "1", "-1h", "1y", "999999999w", "yesterday", "2026-13-01", "٣h", "0001-01-01T00:00:00+14:00"],
)
def test_anything_else_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match="is no time: write 90s"):
        parse_moment(text, now=NOW)
    with pytest.raises(click.BadParameter, match="is no time"):
        moment_option(text)
