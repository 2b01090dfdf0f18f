"""One event ⇒ a delivery for each target of each policy that subscribes to it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from posixpath import basename
from typing import Final

from sidecar.formats import (
    FormatContext,
    NotEncodable,
    TemplateFailed,
    encode,
    unsupported_types,
)
from sidecar.model.delivery import Delivery, DeliveryState, Payload, TargetKey, delivery_id
from sidecar.model.event import Event
from sidecar.policies.policy import WebhookPolicy, matches
from sidecar.policies.target import PayloadFormat, Target

_LONGEST_REASON: Final = 1000


@dataclass(frozen=True, slots=True)
class FormatFailed:
    """The reason why there is no payload."""

    reason: str


def deliveries_for(
    event: Event,
    policies: Sequence[WebhookPolicy],
    context: Callable[[Event], FormatContext],
    at: datetime,
) -> tuple[Delivery, ...]:
    """The deliveries of an event; `context` is called only if a policy subscribes to the event.

    A target whose format does not support the event type gets none. If a template or a format fails, there still is a
    delivery: given up and unencoded, with the reason.
    """
    wanted = [
        (TargetKey(policy_id=policy.id, target_id=own), target, position, fault)
        for policy, fault in _wanting(event, policies)
        for position, (target, own) in enumerate(zip(policy.targets, policy.target_ids, strict=True))
        if event.type not in unsupported_types(target.payload_format)
    ]
    if not wanted:
        return ()
    payloads = _Payloads(event, context(event))
    return tuple(
        _delivery(event, key, fault or payloads.payload_for(key, target), position=position, at=at)
        for key, target, position, fault in wanted
    )


def _wanting(
    event: Event, policies: Sequence[WebhookPolicy]
) -> Iterator[tuple[WebhookPolicy, FormatFailed | None]]:
    """Policies that subscribe to the event; an error in one policy's filters affects only its own targets."""
    for policy in policies:
        try:
            wants = matches(policy, event)
        except Exception as exc:  # noqa: BLE001  # our bug
            yield policy, FormatFailed(f"the policy's filters failed: {_words(exc)}")
        else:
            if wants:
                yield policy, None


class _Payloads:
    """The payloads of one event; targets that receive the same bytes share them."""

    def __init__(self, event: Event, context: FormatContext) -> None:
        self._event = event
        self._context = context
        self._made: dict[tuple[object, ...], Payload | FormatFailed] = {}

    def payload_for(self, key: TargetKey, target: Target) -> Payload | FormatFailed:
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


def _encoded(event: Event, context: FormatContext, target: Target) -> Payload | FormatFailed:
    try:
        return encode(event, context, target)
    except TemplateFailed as exc:
        return FormatFailed(_storable(f"the template failed: {exc}"))
    except NotEncodable as exc:
        return FormatFailed(_storable(str(exc)))
    except Exception as exc:  # noqa: BLE001  # our bug, or a name that nobody thought of: others get theirs
        return FormatFailed(f"the format failed: {_words(exc)}")


def _words(exc: BaseException) -> str:
    """The exception and where it was raised, for debugging."""
    trace = exc.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    where = f" ({basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno})" if trace else ""
    try:
        said = str(exc)
    except Exception:  # noqa: BLE001  # what an exception says is a stranger's code, too
        said = "(it cannot say what)"
    return _storable(f"{type(exc).__name__}: {said}{where}")


def _storable(reason: str) -> str:
    """Text that every store takes: one reason that it does not take would cost all the event's deliveries."""
    return reason[:_LONGEST_REASON].replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _source(event: Event, key: TargetKey) -> str:
    """Harbor's /projects/<id>/webhook/policies/<id>; a policy that has a number keeps it."""
    policy = key.policy_id if key.policy_id.isdecimal() else number_of(key.policy_id)
    return f"/projects/{number_of(event.repository.project)}/webhook/policies/{policy}"


def number_of(name: str) -> int:
    """A number derived from a name: positive, 31 bits, always the same.

    Receivers may read Harbor's ids as integers. Two names that share one, which is rare, share no event ids.
    """
    return int.from_bytes(sha256(name.encode()).digest()[:4], "big") >> 1 or 1


def _delivery(
    event: Event, key: TargetKey, payload: Payload | FormatFailed, *, position: int, at: datetime
) -> Delivery:
    return Delivery(
        id=delivery_id(event, key.policy_id, position),
        event_id=event.id,
        event_type=event.type,
        target=key,
        repository=event.repository.full_name,
        body=b"" if isinstance(payload, FormatFailed) else payload.body,
        content_type="" if isinstance(payload, FormatFailed) else payload.content_type,
        created_at=at,
        state=DeliveryState.GIVEN_UP if isinstance(payload, FormatFailed) else DeliveryState.WAITING,
        reason=payload.reason if isinstance(payload, FormatFailed) else "",
        position=position,
    )
