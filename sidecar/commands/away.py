"""Targets that are left alone for a while: why what is for them waits, and for how long."""

from datetime import datetime
from typing import Any

from sidecar.commands.common import rfc3339
from sidecar.commands.text import when
from sidecar.config import Settings
from sidecar.delivery import DeliveryState, TargetKey
from sidecar.store.away import AwayTarget
from sidecar.store.history import History, KeptDelivery
from sidecar.wiring import targets_of

Away = dict[TargetKey, AwayTarget]


def away_targets(settings: Settings, history: History) -> Away:
    """Those that have the same address still."""
    targets = targets_of(settings)
    return {
        away.target: away
        for away in history.away_targets()
        if away.target in targets and away.is_about(targets[away.target][1].address)
    }


def away_words(away: AwayTarget, *, now: datetime) -> str:
    """Since when, why, and when it is asked again."""
    again = f"asked again at {when(away.until)}" if away.until > now else "due to be asked again"
    return f"away since {when(away.since)} ({away.reason}), {again}"


def away_document(away: AwayTarget | None) -> dict[str, Any] | None:
    if away is None:
        return None
    return {"since": rfc3339(away.since), "until": rfc3339(away.until), "reason": away.reason}


def next_attempt(delivery: KeptDelivery, away: Away, *, now: datetime) -> datetime | None:
    """When a delivery is sent at the earliest; None when it is not waiting, or may be sent at any moment."""
    if delivery.state is not DeliveryState.WAITING or delivery.next_attempt_at is None:
        return None
    found = away.get(delivery.target)
    at = max(delivery.next_attempt_at, found.until) if found else delivery.next_attempt_at
    return at if at > now else None
