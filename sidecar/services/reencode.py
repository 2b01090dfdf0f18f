"""Encodes deliveries whose templates failed, with the current templates.

Called before they are sent again; `store.redelivery` skips deliveries that are unencoded.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

from sidecar.config import Settings
from sidecar.formats.fanout import deliveries_for
from sidecar.model.delivery import Payload
from sidecar.services.samples import context_for
from sidecar.store.offline import Connection
from sidecar.store.redelivery import Unencoded, give_body


def reencode(connection: Connection, unencoded: Iterable[Unencoded], settings: Settings) -> dict[UUID, str]:
    """Encodes all that can be encoded; returns the reasons for the others, by delivery."""
    faults: dict[UUID, str] = {}
    for delivery in unencoded:
        outcome = _outcome(delivery, settings)
        if isinstance(outcome, Payload):
            give_body(connection, delivery.id, outcome)
        else:
            faults[delivery.id] = outcome
    return faults


def _outcome(unencoded: Unencoded, settings: Settings) -> Payload | str:
    context = context_for(settings, unencoded.event.repository.project, at=unencoded.repository_created_at)
    policies = [policy for policy in settings.policies if policy.id == unencoded.policy_id]
    made = deliveries_for(unencoded.event, policies, lambda _: context, datetime.now(UTC))
    delivery = next((found for found in made if found.id == unencoded.id), None)
    if delivery is None:
        return "its policy was removed or disabled, or does not want this event any more"
    return Payload(delivery.body, delivery.content_type) if delivery.content_type else delivery.reason
