"""Sample events sent to the targets of a policy, by the dispatcher's own means, and what came of it."""

import os
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from sidecar import wiring
from sidecar.commands.certificate import Certificate, fetch_certificate, parse_certificate
from sidecar.config import Settings
from sidecar.delivery import Accepted, Attempt, Delivery, DeliveryState, Unreachable
from sidecar.dispatcher.addresses import Dial
from sidecar.dispatcher.attempt import TargetClient
from sidecar.dispatcher.prepared import PreparedTarget, TlsContexts, make_tls_contexts, prepare
from sidecar.event import EventType
from sidecar.formats import FormatContext, unsupported_types
from sidecar.formats.fanout import deliveries_for
from sidecar.formats.samples import marked_sample
from sidecar.policy import ALL_PROJECTS, Target, WebhookPolicy

_HANDSHAKE_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One sample event at one target."""

    delivery: Delivery
    attempt: Attempt
    tls: ssl.SSLObject | None

    @property
    def is_accepted(self) -> bool:
        return isinstance(self.attempt.result, Accepted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The certificate of a target's server."""

    certificate: Certificate | None  #: None when it could not be looked at
    fault: str  #: why it is not verified; "" when it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """All sample events at one target."""

    target: Target
    proxy: str  #: host of the proxy that they went through; "" for none
    tried: list[Tried]
    unsent: tuple[EventType, ...]  #: for which the target's format has no event type
    seen: Seen | None  #: None without TLS, or when nothing is known of it


async def try_targets(
    settings: Settings, policy: WebhookPolicy, types: tuple[EventType, ...]
) -> AsyncIterator[Trial]:
    """Send each target its samples, one after the other; what filters a policy has is not tested."""
    means, contexts = wiring.dispatcher_settings(settings), make_tls_contexts()
    deliveries = _sample_deliveries(settings, policy, types)
    async with TargetClient(timeout_s=means.timeout_s, rules=means.egress, now=_now) as client:
        for index, target in enumerate(policy.targets):
            prepared = prepare(target, tls=contexts, environment=os.environ, timeout_s=policy.timeout_s)
            mine = [delivery for delivery in deliveries if delivery.target.index == index]
            tried = [await _try(client, delivery, prepared) for delivery in mine]
            seen = await _look(prepared, tried[-1], contexts) if tried else None
            unsupported = unsupported_types(target.payload_format)
            unsent = tuple(kind for kind in types if kind in unsupported)
            yield Trial(target=target, proxy=_proxy_host(prepared), tried=tried, unsent=unsent, seen=seen)


def _proxy_host(prepared: PreparedTarget | Unreachable) -> str:
    proxy = None if isinstance(prepared, Unreachable) else prepared.route.proxy
    return proxy.host if proxy else ""


def _sample_deliveries(
    settings: Settings, policy: WebhookPolicy, types: tuple[EventType, ...]
) -> list[Delivery]:
    project = settings.events.default_project if policy.project == ALL_PROJECTS else policy.project
    wanting = WebhookPolicy(id=policy.id, project=policy.project, name=policy.name, targets=policy.targets)
    public = any(found.name == project and found.public for found in settings.projects)
    at = _now()
    context = FormatContext(
        hostname=settings.hostname,
        external_url=settings.external_url,
        public=public,
        repository_created_at=int(at.timestamp()),
    )
    return [
        delivery
        for kind in types
        for delivery in deliveries_for(
            marked_sample(kind, project=project, id=uuid4(), at=at), [wanting], lambda _: context, at
        )
    ]


async def _try(client: TargetClient, delivery: Delivery, prepared: PreparedTarget | Unreachable) -> Tried:
    if delivery.state is DeliveryState.GIVEN_UP:  # its template failed
        return _not_sent(delivery, Unreachable(delivery.reason))
    if isinstance(prepared, Unreachable):
        return _not_sent(delivery, prepared)
    dial = Dial()
    attempt = await client.attempt(delivery, prepared, dial)
    return Tried(delivery=delivery, attempt=attempt, tls=dial.tls)


async def _look(prepared: PreparedTarget | Unreachable, last: Tried, contexts: TlsContexts) -> Seen | None:
    """The certificate as the last attempt saw it, or as it is when it was not accepted."""
    if isinstance(prepared, Unreachable):
        return None
    if last.tls:
        skipped = prepared.tls.verify_mode is ssl.CERT_NONE
        der = last.tls.getpeercert(binary_form=True) or b""
        return Seen(certificate=_parsed(der), fault="skip_cert_verify is set" if skipped else "")
    attempt = last.attempt
    if not isinstance(attempt.result, Unreachable) or "certificate" not in attempt.result.reason:
        return None
    # Through a proxy there is no address to look at.
    der = b"" if prepared.route.proxy else await _fetch(attempt.address, prepared.route.host, contexts)
    return Seen(certificate=_parsed(der), fault=attempt.result.reason)


async def _fetch(address: str, host: str, contexts: TlsContexts) -> bytes:
    try:
        return await fetch_certificate(address, host=host, tls=contexts.unverified, timeout_s=_HANDSHAKE_S)
    except OSError:
        return b""


def _not_sent(delivery: Delivery, fault: Unreachable) -> Tried:
    attempt = Attempt(delivery_id=delivery.id, number=1, started_at=_now(), duration_ms=0.0, result=fault)
    return Tried(delivery=delivery, attempt=attempt, tls=None)


def _parsed(der: bytes) -> Certificate | None:
    try:
        return parse_certificate(der)
    except ValueError:
        return None


def _now() -> datetime:
    return datetime.now(UTC)
