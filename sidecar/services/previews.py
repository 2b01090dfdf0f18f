"""The requests that the targets of a policy would get. Nothing is sent, and no database is needed."""

from dataclasses import dataclass
from typing import Any

from sidecar.config import Settings
from sidecar.formats import unsupported_types
from sidecar.formats.samples import SAMPLE_CREATED_AT, sample_of
from sidecar.model.delivery import Delivery
from sidecar.model.event import EventType
from sidecar.policies.policy import WebhookPolicy
from sidecar.policies.target import Target
from sidecar.services.samples import sample_deliveries, sample_project
from sidecar.services.shown import host_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The payloads for all targets of a policy."""

    policy: WebhookPolicy
    deliveries: list[Delivery]  #: unencoded where the template fails, with the reason
    unsent: list[tuple[Target, EventType]]  #: types that the target's format cannot express


def preview(settings: Settings, policy: WebhookPolicy, event_type: EventType | None = None) -> Preview:
    """What each target would get for a sample of an event type, or of each type that the policy subscribes to.

    policy   one of the settings, or a proposed one; its filters are ignored

    Blocks on templates.
    """
    wanted = [event_type] if event_type else [kind for kind in EventType if kind in policy.event_types]
    project = sample_project(settings, policy)
    events = [sample_of(kind, project=project) for kind in wanted]
    return Preview(
        policy=policy,
        deliveries=sample_deliveries(settings, policy, events, repository_created_at=SAMPLE_CREATED_AT),
        unsent=[
            (target, kind)
            for target in policy.targets
            for kind in wanted
            if kind in unsupported_types(target.payload_format)
        ],
    )


def preview_document(found: Preview) -> list[dict[str, Any]]:
    return [
        {
            "event_type": delivery.event_type,
            "target": delivery.position,
            "host": host_of(found.policy.targets[delivery.position]),
            "content_type": delivery.content_type,
            "body": delivery.body.decode(errors="replace"),
            "error": delivery.reason,
        }
        for delivery in found.deliveries
    ]
