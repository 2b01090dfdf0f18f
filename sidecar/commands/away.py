"""Text about targets that are away."""

from datetime import datetime

from sidecar.commands.text import when
from sidecar.store.away import AwayTarget


def away_words(away: AwayTarget, *, now: datetime) -> str:
    """Since when, why, and when it is tried again."""
    again = f"asked again at {when(away.until)}" if away.until > now else "due to be asked again"
    return f"away since {when(away.since)} ({away.reason}), {again}"
