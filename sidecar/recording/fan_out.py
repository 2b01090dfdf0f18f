"""Turns what was detected into a decision: events with their deliveries, changes, and new repositories."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sidecar.detectors.grouping import with_chart_events
from sidecar.formats import FormatContext
from sidecar.formats.fanout import deliveries_for
from sidecar.model.changes import Decided, Detected, Raised, RepositorySeen
from sidecar.model.delivery import Delivery
from sidecar.model.event import Event, Shape
from sidecar.model.names import Repository
from sidecar.policies.policy import WebhookPolicy


class FanOut:
    """The policies of one configuration; pure."""

    def __init__(
        self,
        policies: Sequence[WebhookPolicy] | None,
        *,
        wants_oci_chart: Callable[[Repository], bool],
        context: Callable[[str, int | None], FormatContext],
    ) -> None:
        """No policies, or None, where webhooks are switched off: nothing is raised then.

        `context` makes the formats' context from a project and the time a repository was first seen (Unix seconds).
        """
        self._policies = policies
        self._wants_oci_chart = wants_oci_chart
        self._context = context

    def decision(
        self,
        detected: Detected,
        created: Mapping[str, datetime],
        *,
        at: datetime,
        closes: UUID | None = None,
    ) -> Decided:
        """Everything that is written for what was detected.

        created   when repositories were first seen, by full name
        at        when the deliveries are made, and due
        closes    the intent of the exchange
        """
        policies = self._policies
        if policies is None:
            return Decided(changes=detected.changes, closes=closes)
        seen = _seen_first(detected.events, created)
        dates = {**{change.repository.full_name: change.at for change in seen}, **created}
        raised = (
            Raised(each, deliveries)
            for event in detected.events
            for each in with_chart_events(event, wanted=self._wants_oci_chart(event.repository))
            if (deliveries := self._deliveries(each, policies, dates.get(event.repository.full_name), at))
        )
        return Decided(
            changes=(*detected.changes, *seen), raised=tuple(raised), next_attempt_at=at, closes=closes
        )

    def _deliveries(
        self, event: Event, policies: Sequence[WebhookPolicy], created_at: datetime | None, at: datetime
    ) -> tuple[Delivery, ...]:
        created_s = int(created_at.timestamp()) if created_at else None
        return deliveries_for(
            event,
            policies,
            lambda raised: self._context(raised.repository.project, created_s),
            at=at,
        )


def _seen_first(events: Sequence[Event], created: Mapping[str, datetime]) -> tuple[RepositorySeen, ...]:
    """A repository older than the sidecar is dated from when it was first seen, whatever the operation."""
    seen: dict[str, RepositorySeen] = {}
    for event in events:
        name = event.repository.full_name
        if event.type.about.shape is Shape.IMAGE and name not in created:
            seen.setdefault(name, RepositorySeen(event.repository, event.occurred_at))
    return tuple(seen.values())
