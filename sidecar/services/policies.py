"""Webhook policies: what waits for their targets, and when each event type last triggered them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sidecar.config import Settings
from sidecar.model.delivery import TargetKey
from sidecar.model.errors import NotFound
from sidecar.model.event import EventType
from sidecar.policies.policy import WebhookPolicy
from sidecar.policies.target import Target, TargetType
from sidecar.services.away import away_targets, disabled_targets
from sidecar.services.database import history_of, writing_to
from sidecar.services.shown import away_document, host_of, is_verified, rfc3339
from sidecar.store.away import AwayTarget
from sidecar.store.disabled import DisabledTarget, enable_target


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetStatus:
    """One target of a policy."""

    position: int  #: in its policy, from 0
    target: Target
    waiting: int  #: deliveries for it, those being sent included
    disabled: DisabledTarget | None  #: since it answered 410 Gone
    away: AwayTarget | None  #: while it is away


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyStatus:
    """One policy with all of its targets."""

    policy: WebhookPolicy
    targets: tuple[TargetStatus, ...]
    last_triggered: Mapping[EventType, datetime]  #: UTC; types that never occurred are left out

    @property
    def waiting(self) -> int:
        return sum(target.waiting for target in self.targets)


def list_policies(settings: Settings) -> list[PolicyStatus]:
    """All policies, in their order; raises StoreUnavailable. Blocks on the database."""
    with history_of(settings) as history:
        gone, away = disabled_targets(settings, history), away_targets(settings, history)

        def status_of(policy: WebhookPolicy, index: int) -> TargetStatus:
            key = TargetKey(policy_id=policy.id, target_id=policy.target_ids[index])
            return TargetStatus(
                position=index,
                target=policy.targets[index],
                waiting=history.waiting(key),
                disabled=gone.get(key),
                away=away.get(key),
            )

        return [
            PolicyStatus(
                policy=policy,
                targets=tuple(status_of(policy, index) for index in range(len(policy.targets))),
                last_triggered=history.last_triggered(policy.id),
            )
            for policy in settings.policies
        ]


def enable_targets(settings: Settings, policy: str, index: int | None = None) -> int:
    """Enable a target that answered 410 Gone, or all of a policy; returns how many.

    policy   its id
    index    which of its targets, from 0; None for all

    The running sidecar notices within five seconds. Raises NotFound when none is disabled, StoreUnavailable.
    Blocks on the database.
    """
    target_id = None if index is None else _target_id(settings, policy, index)
    with writing_to(settings) as connection:
        number = enable_target(connection, policy, target_id)
    if not number:
        raise NotFound(f"No such target of {policy} is disabled.")
    return number


def _target_id(settings: Settings, policy_id: str, index: int) -> str:
    """The id of a policy's target; one that nobody has where there is none."""
    ids = next((policy.target_ids for policy in settings.policies if policy.id == policy_id), ())
    return ids[index] if index < len(ids) else ""


def policy_document(status: PolicyStatus) -> dict[str, Any]:
    policy, last = status.policy, status.last_triggered
    return {
        "id": policy.id,
        "project": policy.project,
        "name": policy.name,
        "enabled": policy.enabled,
        "event_types": sorted(policy.event_types),
        "repositories": list(policy.repositories),
        "tags": list(policy.tags),
        "exclude_repositories": list(policy.exclude_repositories),
        "exclude_tags": list(policy.exclude_tags),
        "operators": list(policy.operators),
        "targets": [_target_document(target) for target in status.targets],
        "waiting": status.waiting,
        "last_triggered": {
            kind: rfc3339(last.get(kind)) for kind in sorted(policy.event_types | last.keys())
        },
    }


def _target_document(status: TargetStatus) -> dict[str, Any]:
    target, disabled = status.target, status.disabled
    return {
        "index": status.position,
        "type": target.type,
        "host": host_of(target),
        "payload_format": target.payload_format if target.type is TargetType.HTTP else None,
        "auth": bool(target.auth_header),
        "signed": target.is_signed,
        "cert_verified": is_verified(target),
        "waiting": status.waiting,
        "disabled": {"at": rfc3339(disabled.at), "reason": disabled.reason} if disabled else None,
        "away": away_document(status.away),
    }
