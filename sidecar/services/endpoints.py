"""Endpoint tests: sends sample events to the targets of a policy with the dispatcher's own code.

With the real format, authentication and signature, under the egress rules of harbor.yml. Nothing is stored or
retried.
"""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from sidecar.config import Settings
from sidecar.config.validators import header_value, signing_secret, target_address
from sidecar.dispatcher.attempt import TargetClient
from sidecar.dispatcher.egress import Dial
from sidecar.dispatcher.request import PreparedTarget, TlsContexts, make_tls_contexts, prepare
from sidecar.formats import unsupported_types
from sidecar.formats.receivers import mismatch
from sidecar.formats.samples import MARK, marked_sample
from sidecar.model.delivery import Accepted, Attempt, Delivery, DeliveryState, Unreachable
from sidecar.model.errors import RequestInvalid
from sidecar.model.event import EventType
from sidecar.model.secrets import Secret
from sidecar.policies.policy import WebhookPolicy
from sidecar.policies.target import PayloadFormat, Target, TargetType
from sidecar.services.certificate import Certificate, fetch_certificate, parse_certificate
from sidecar.services.samples import sample_deliveries, sample_project
from sidecar.services.shown import host_of, rfc3339

_HANDSHAKE_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleSent:
    """One sample event at one target."""

    delivery: Delivery
    attempt: Attempt

    @property
    def is_accepted(self) -> bool:
        return isinstance(self.attempt.result, Accepted)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenCertificate:
    """The certificate of a target's server."""

    certificate: Certificate | None  #: None when it could not be fetched
    fault: str  #: why it is not verified; "" when it is


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointTest:
    """All samples at one target."""

    target: Target
    proxy: str  #: host of the proxy that was used; "" for none
    samples: tuple[SampleSent, ...]
    unsent: tuple[EventType, ...]  #: types that the target's format cannot express
    seen: SeenCertificate | None  #: None without TLS, or when it is unknown

    @property
    def is_accepted(self) -> bool:
        return all(sample.is_accepted for sample in self.samples)

    @property
    def notice(self) -> str:
        """Why a receiver recognised by its address ignores this format, whatever it answers; "" otherwise."""
        if self.target.type is not TargetType.HTTP:
            return ""
        return mismatch(self.target.address, self.target.payload_format, self.target.event_names)


async def run_endpoint_tests(
    settings: Settings, policy: WebhookPolicy, types: Sequence[EventType]
) -> AsyncIterator[EndpointTest]:
    """Send each target its samples, one at a time, and yield each target's result when it is complete.

    A policy's filters are ignored, and so is whether it is enabled. Takes up to the timeout of the policy for
    each sample. Does not block: blocking work is done in threads.
    """
    contexts = await asyncio.to_thread(make_tls_contexts)
    deliveries = await asyncio.to_thread(_sample_deliveries, settings, policy, types)
    async with TargetClient(
        timeout_s=settings.notification.timeout_s, rules=settings.egress, now=_now
    ) as client:
        for index, target in enumerate(policy.targets):
            prepared = await asyncio.to_thread(
                prepare, target, tls=contexts, environment=os.environ, timeout_s=policy.timeout_s
            )
            mine = [delivery for delivery in deliveries if delivery.position == index]
            sent = [await _send(client, delivery, prepared) for delivery in mine]
            yield EndpointTest(
                target=target,
                proxy=_proxy_host(prepared),
                samples=tuple(sample for sample, _ in sent),
                unsent=tuple(kind for kind in types if kind in unsupported_types(target.payload_format)),
                seen=await _look(prepared, *sent[-1], contexts) if sent else None,
            )


def policy_of_one_target(
    settings: Settings,
    *,
    address: str,
    kind: TargetType = TargetType.HTTP,
    payload_format: PayloadFormat = PayloadFormat.DOCUMENTED,
    auth_header: str = "",
    secret: str = "",
    skip_cert_verify: bool = False,
) -> WebhookPolicy:
    """A policy for testing an address that is not configured.

    Raises RequestInvalid; its message begins with the name of the invalid argument, and contains no value.
    """
    target = Target(
        address=_checked("address", target_address, address),
        type=kind,
        auth_header=Secret(_checked("auth_header", header_value, auth_header)),
        secret=Secret(_checked("secret", signing_secret, secret)),
        skip_cert_verify=skip_cert_verify,
        payload_format=payload_format,
    )
    project = settings.events.default_project
    return WebhookPolicy(id=f"{project}/{MARK}", project=project, name=MARK, targets=(target,))


def _checked(name: str, check: Callable[[str], str], text: str) -> str:
    try:
        return check(text) if text else ""
    except ValueError as exc:
        raise RequestInvalid(f"{name} {exc}.") from exc


def _sample_deliveries(
    settings: Settings, policy: WebhookPolicy, types: Sequence[EventType]
) -> list[Delivery]:
    at, project = _now(), sample_project(settings, policy)
    events = [marked_sample(kind, project=project, id=uuid4(), at=at) for kind in types]
    return sample_deliveries(settings, policy, events, repository_created_at=int(at.timestamp()))


def _proxy_host(prepared: PreparedTarget | Unreachable) -> str:
    proxy = None if isinstance(prepared, Unreachable) else prepared.route.proxy
    return proxy.host if proxy else ""


async def _send(
    client: TargetClient, delivery: Delivery, prepared: PreparedTarget | Unreachable
) -> tuple[SampleSent, ssl.SSLObject | None]:
    """The attempt, and the connection that it used."""
    if delivery.state is DeliveryState.GIVEN_UP:  # its template failed
        return _not_sent(delivery, Unreachable(delivery.reason)), None
    if isinstance(prepared, Unreachable):
        return _not_sent(delivery, prepared), None
    dial = Dial()
    attempt = await client.attempt(delivery, prepared, dial)
    return SampleSent(delivery=delivery, attempt=attempt), dial.tls


async def _look(
    prepared: PreparedTarget | Unreachable, last: SampleSent, tls: ssl.SSLObject | None, contexts: TlsContexts
) -> SeenCertificate | None:
    """The certificate as seen by the last attempt, or fetched separately when it was not accepted."""
    if isinstance(prepared, Unreachable):
        return None
    if tls:
        skipped = prepared.tls.verify_mode is ssl.CERT_NONE
        der = tls.getpeercert(binary_form=True) or b""
        return SeenCertificate(certificate=_parsed(der), fault="skip_cert_verify is set" if skipped else "")
    attempt = last.attempt
    if not isinstance(attempt.result, Unreachable) or "certificate" not in attempt.result.reason:
        return None
    # Through a proxy the target's address is unknown.
    der = b"" if prepared.route.proxy else await _fetch(attempt.address, prepared.route.host, contexts)
    return SeenCertificate(certificate=_parsed(der), fault=attempt.result.reason)


async def _fetch(address: str, host: str, contexts: TlsContexts) -> bytes:
    try:
        return await fetch_certificate(address, host=host, tls=contexts.unverified, timeout_s=_HANDSHAKE_S)
    except OSError:
        return b""


def _not_sent(delivery: Delivery, fault: Unreachable) -> SampleSent:
    attempt = Attempt(delivery_id=delivery.id, number=1, started_at=_now(), duration_ms=0.0, result=fault)
    return SampleSent(delivery=delivery, attempt=attempt)


def _parsed(der: bytes) -> Certificate | None:
    try:
        return parse_certificate(der)
    except ValueError:
        return None


def _now() -> datetime:
    return datetime.now(UTC)


def endpoint_test_document(test: EndpointTest) -> dict[str, Any]:
    return {
        "host": host_of(test.target),
        "type": test.target.type,
        "auth": bool(test.target.auth_header),
        "signed": test.target.is_signed,
        "notice": test.notice or None,
        "proxy": test.proxy or None,
        "certificate": _certificate_document(test.seen) if test.seen else None,
        "attempts": [_sample_document(sample) for sample in test.samples],
        "unsent": list(test.unsent),
    }


def _certificate_document(seen: SeenCertificate) -> dict[str, Any]:
    found = seen.certificate
    return {
        "subject": found.subject if found else None,
        "issuer": found.issuer if found else None,
        "expires_at": rfc3339(found.expires_at) if found else None,
        "verified": not seen.fault,
        "error": seen.fault,
    }


def _sample_document(sample: SampleSent) -> dict[str, Any]:
    attempt, result = sample.attempt, sample.attempt.result
    return {
        "event_type": sample.delivery.event_type,
        "event_id": str(sample.delivery.event_id),
        "accepted": sample.is_accepted,
        "status": None if isinstance(result, Unreachable) else result.status,
        "error": result.reason if isinstance(result, Unreachable) else "",
        "duration_ms": round(attempt.duration_ms, 1),
        "address": attempt.address,
        "excerpt": attempt.excerpt,
    }
