"""One event ⇒ a delivery for each target of each policy that wants it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from urllib.parse import quote

from sidecar.delivery import Delivery, DeliveryState, TargetKey, delivery_id
from sidecar.event import Event
from sidecar.formats import FormatContext, Payload, TemplateFailed, encode
from sidecar.policy import PayloadFormat, Target, WebhookPolicy, matches, target_marks


def deliveries_for(
    event: Event,
    policies: Sequence[WebhookPolicy],
    context: Callable[[Event], FormatContext],
    at: datetime,
) -> tuple[Delivery, ...]:
    """The deliveries of an event; `context` is asked only when somebody wants the event.

    Where a template fails there is a delivery all the same: given up, without a payload, and it says why.
    """
    wanted = [
        (TargetKey(policy_id=policy.id, index=index), target, mark)
        for policy in policies
        if matches(policy, event)
        for index, (target, mark) in enumerate(zip(policy.targets, target_marks(policy), strict=True))
    ]
    if not wanted:
        return ()
    payloads = _Payloads(event, context(event))
    return tuple(
        _delivery(event, key, payloads.payload_for(key, target), mark=mark, at=at)
        for key, target, mark in wanted
    )


class _Payloads:
    """The payloads of one event; targets that receive the same bytes share them."""

    def __init__(self, event: Event, context: FormatContext) -> None:
        self._event = event
        self._context = context
        self._made: dict[tuple[object, ...], Payload | TemplateFailed] = {}

    def payload_for(self, key: TargetKey, target: Target) -> Payload | TemplateFailed:
        context = self._context
        if target.payload_format is PayloadFormat.CLOUDEVENTS:
            context = replace(context, source=_source(self._event, key))
        differs_by = (
            *(target.type, target.payload_format, target.event_names, context.source),
            *(target.template, target.template_content_type),
        )
        if differs_by not in self._made:
            self._made[differs_by] = _encoded(self._event, context, target)
        return self._made[differs_by]


def _encoded(event: Event, context: FormatContext, target: Target) -> Payload | TemplateFailed:
    try:
        return encode(event, context, target)
    except TemplateFailed as exc:
        return exc


def _source(event: Event, key: TargetKey) -> str:
    """Harbor's /projects/<id>/webhook/policies/<id>, with names where we have no numbers."""
    project, policy = quote(event.repository.project, safe=""), quote(key.policy_id, safe="")
    return f"/projects/{project}/webhook/policies/{policy}"


def _delivery(
    event: Event, key: TargetKey, payload: Payload | TemplateFailed, *, mark: str, at: datetime
) -> Delivery:
    failed = isinstance(payload, TemplateFailed)
    return Delivery(
        id=delivery_id(event, key),
        event_id=event.id,
        event_type=event.type,
        target=key,
        repository=event.repository.full_name,
        body=b"" if isinstance(payload, TemplateFailed) else payload.body,
        content_type="" if isinstance(payload, TemplateFailed) else payload.content_type,
        created_at=at,
        state=DeliveryState.GIVEN_UP if failed else DeliveryState.WAITING,
        reason=f"the template failed: {payload}" if failed else "",
        target_mark=mark,
    )
