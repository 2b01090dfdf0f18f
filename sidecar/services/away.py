"""Targets that get nothing at present: away because they fail, or disabled by 410 Gone."""

from sidecar.config import Settings
from sidecar.model.delivery import TargetKey
from sidecar.policies.policy import targets_of
from sidecar.store.away import AwayTarget
from sidecar.store.disabled import DisabledTarget
from sidecar.store.history import History

Away = dict[TargetKey, AwayTarget]


def away_targets(settings: Settings, history: History) -> Away:
    """Targets that are away and still have the same address."""
    targets = targets_of(settings.policies)
    return {
        away.target: away
        for away in history.away_targets()
        if away.target in targets and away.is_about(targets[away.target][1].address)
    }


def disabled_targets(settings: Settings, history: History) -> dict[TargetKey, DisabledTarget]:
    """Targets that answered 410 Gone and still have the same address."""
    targets = targets_of(settings.policies)
    return {
        found.target: found
        for found in history.disabled_targets()
        if found.target in targets and found.is_about(targets[found.target][1].address)
    }
