"""Deliveries of sample events to the targets of a policy."""

from collections.abc import Iterable

from sidecar.config import Settings
from sidecar.formats import FormatContext
from sidecar.formats.fanout import deliveries_for
from sidecar.model.delivery import Delivery
from sidecar.model.event import Event
from sidecar.policies.policy import ALL_PROJECTS, WebhookPolicy


def sample_project(settings: Settings, policy: WebhookPolicy) -> str:
    """The project of the sample events for a policy."""
    return settings.events.default_project if policy.project == ALL_PROJECTS else policy.project


def sample_deliveries(
    settings: Settings, policy: WebhookPolicy, events: Iterable[Event], *, repository_created_at: int
) -> list[Delivery]:
    """The deliveries to the targets of a policy, whatever its filters, and even if it is disabled.

    repository_created_at   Unix seconds
    """
    context = context_for(settings, sample_project(settings, policy), at=repository_created_at)
    unfiltered = WebhookPolicy(id=policy.id, project=policy.project, name=policy.name, targets=policy.targets)
    return [
        delivery
        for event in events
        for delivery in deliveries_for(event, [unfiltered], lambda _: context, event.occurred_at)
    ]


def context_for(settings: Settings, project: str, *, at: int | None) -> FormatContext:
    """The context for encoding a project's events; `at` is when the repository was first seen."""
    is_public = any(found.name == project and found.public for found in settings.projects)
    return FormatContext(
        hostname=settings.hostname,
        external_url=settings.external_url,
        public=is_public,
        repository_created_at=at,
    )
