"""The whole flow: exchanges from the proxy become events, events become stored deliveries.

    Exchange ──detectors──► Event ──formats──► Delivery ──► store        (one transaction)

A write operation is noted before it is forwarded (`admission`) and closed in the transaction that
stores its deliveries (`record`), before the client sees the end of its response. Errors in here never
reach the client: what the store cannot take is kept in memory and written later.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

import structlog

from sidecar.detectors import detect
from sidecar.detectors.due import due
from sidecar.detectors.enriching import recalled
from sidecar.detectors.grouping import Holds
from sidecar.detectors.scopes import scope_of, scope_of_recall
from sidecar.formats import FormatContext
from sidecar.model.changes import Decided, Detected
from sidecar.model.delivery import DeliveryState
from sidecar.model.errors import StoreUnavailable
from sidecar.model.event import EventType
from sidecar.model.exchange import Exchange, Outcome
from sidecar.model.memory import HeldSnapshot, Recalled, Snapshot
from sidecar.model.names import Digest, Repository
from sidecar.model.operation import (
    GetManifest,
    HeadManifest,
    Operation,
    Ping,
    Routes,
    UploadChart,
    UploadProvenance,
    WriteBlob,
    WriteOperation,
)
from sidecar.policies.interest import Interest
from sidecar.policies.policy import Project, WebhookPolicy
from sidecar.quota.known import KNOWN_RULES
from sidecar.quota.rules import Rejection, RejectionRule
from sidecar.recording.fan_out import FanOut
from sidecar.recording.refusals import Beginning, RefusedPushes
from sidecar.recording.traffic import Traffic
from sidecar.store.outbox import Outbox
from sidecar.store.store import Store

log = structlog.get_logger()

#: A client does not wait longer than this for the store.
_PATIENCE_S: Final = 5.0
_RECALL_S: Final = 0.5
_DESCRIPTOR_BYTES: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class RecorderSettings:
    """The recorder's part of the configuration; replaced as a whole on reload."""

    hostname: str
    external_url: str
    routes: Routes = field(default_factory=Routes)
    grouped: bool = True
    holds: Holds = field(default_factory=Holds)
    enabled: bool = True  #: the global switch
    ignore_user_agents: tuple[str, ...] = ()  #: globs; their pulls raise nothing
    projects: tuple[Project, ...] = ()
    policies: tuple[WebhookPolicy, ...] = ()
    several_workers: bool = False
    rejections: tuple[RejectionRule, ...] = KNOWN_RULES


def _now() -> datetime:
    return datetime.now(UTC)


class Recorder:
    """Connects the stages; the proxy is given its methods."""

    def __init__(
        self,
        store: Store,
        outbox: Outbox,
        settings: RecorderSettings,
        *,
        now: Callable[[], datetime] = _now,
        monotonic: Callable[[], float] = time.monotonic,
        on_event: Callable[[EventType], None] = lambda _kind: None,
        on_ended: Callable[[DeliveryState], None] = lambda _state: None,
    ) -> None:
        """`on_event` is called with each stored event, `on_ended` with deliveries stored as ended.

        monotonic  elapsed seconds, for what is noted only every few seconds
        """
        self._store = store
        self._outbox = outbox
        self._now = now
        self._on_event = on_event
        self._on_ended = on_ended
        self._refused = RefusedPushes(store, now=now, monotonic=monotonic)
        self._traffic = Traffic(store, self._refused, now=now, monotonic=monotonic)
        self.saw_blob = self._traffic.saw_blob
        self.saw_upload = self._traffic.saw_upload
        self.saw_ping = self._refused.saw_ping
        self.saw_blob_question = self._refused.saw_blob_question
        self.apply(settings)

    def apply(self, settings: RecorderSettings) -> None:
        """Use these settings from now on."""
        self._settings = settings
        self._projects = {project.name: project for project in settings.projects}
        self._fan_out = FanOut(
            settings.policies if settings.enabled else None,
            wants_oci_chart=self.wants_oci_chart,
            context=self._context,
        )
        self._interest = Interest(
            settings.policies if settings.enabled else (),
            routes=settings.routes,
            ignore_user_agents=settings.ignore_user_agents,
        )
        self._traffic.apply(
            is_grouped=settings.grouped,
            pull_hold=settings.holds.pull,
            several_workers=settings.several_workers,
        )
        self._refused.apply(
            settings.rejections,
            is_followed=settings.grouped and self._interest.has_rejections,
            several_workers=settings.several_workers,
        )

    # Functions for the proxy

    def is_observed(self, operation: Operation) -> bool:
        """Whether any policy is interested; otherwise nothing is copied, noted or detected."""
        if isinstance(operation, Ping):
            return self._refused.may_go_on
        return self._interest.observes(operation)

    def wants_oci_chart(self, repository: Repository) -> bool:
        """Whether a chart stored as an OCI artifact raises CHART events in this repository's project."""
        project = self._projects.get(repository.project)
        return project is not None and project.oci_chart_events

    async def recall(self, repository: Repository, digest: Digest) -> Recalled:
        """What is remembered of a manifest; nothing if the store does not answer at once."""
        try:
            async with asyncio.timeout(_RECALL_S):
                return recalled(digest, await self._store.recall(scope_of_recall(repository, digest)))
        except (StoreUnavailable, TimeoutError):
            return Recalled()
        except Exception:
            log.exception("recall.failed")
            return Recalled()

    async def record(self, exchange: Exchange) -> None:
        """Turn one finished exchange into stored deliveries; never raises."""
        await self.conclude(exchange)

    async def conclude(self, exchange: Exchange) -> bool:
        """As `record`; False when it failed because of a bug of ours: the reconciler then settles the intent."""
        if self._interest.is_ignored(exchange):
            return True
        wants_rejections = self._interest.wants_rejections(exchange.operation)
        rejection = self._refused.recognise(exchange) if wants_rejections else None
        if not rejection and _is_nothing(exchange, is_about_rejections=wants_rejections):
            return True
        if isinstance(exchange.operation, GetManifest):
            # Now, not when the store processes it: the client may request a blob before that.
            self._traffic.saw_manifest(exchange.client, exchange.operation.repository)
        try:
            beginning = self._refused.beginning_in(exchange) if wants_rejections else None
            async with asyncio.timeout(_PATIENCE_S):
                decision = await self._record(exchange, rejection, beginning)
        except (StoreUnavailable, TimeoutError) as exc:
            log.warning("exchange.kept_in_memory", request_id=exchange.request_id, error=str(exc) or "slow")
        except Exception:
            # A bug of ours, or unexpected input: it must not affect the client's push.
            log.exception("exchange.record_failed", operation=type(exchange.operation).__name__)
            await self._disown(exchange)
            return False
        else:
            self._report(decision)
        return True

    async def _record(
        self, exchange: Exchange, rejection: Rejection | None, beginning: Beginning | None
    ) -> Decided:
        if exchange.outcome is Outcome.UPSTREAM_FAILED and not exchange.status:
            return await self._store.record(None, lambda _: Decided(disowns=exchange.id), keep=True)
        settings = self._settings
        scope = scope_of(exchange, grouped=settings.grouped, routes=settings.routes, rejection=rejection)
        if scope is None and beginning is None and not isinstance(exchange.operation, WriteOperation):
            return Decided()
        return await self._store.record(
            beginning.widened(scope) if beginning else scope,
            lambda snapshot: self._decide(exchange, snapshot, rejection, beginning),
            keep=True,
            weight=_weight(exchange),
            events=int(
                rejection is not None
                or (exchange.succeeded and not isinstance(exchange.operation, HeadManifest))
            ),
        )

    async def _disown(self, exchange: Exchange) -> None:
        if isinstance(exchange.operation, WriteOperation):
            with suppress(StoreUnavailable):
                await self._store.disown_intent(exchange.id)

    # Periodic work

    async def raise_due(self) -> None:
        """Raise the held events that are due."""
        now, holds = self._now(), self._settings.holds
        until = {"pulls_until": now + holds.pull, "pushes_until": now + holds.push}
        if await self._store.has_due_holds(now, **until):
            self._report(await self._store.record_due(now, lambda held: self._decide_due(held, now), **until))

    # Inside the transaction: no I/O

    def _decide(
        self,
        exchange: Exchange,
        snapshot: Snapshot,
        rejection: Rejection | None,
        beginning: Beginning | None,
    ) -> Decided:
        settings, now = self._settings, self._now()
        if exchange.answered_at > now:  # the clock was set back since
            exchange = replace(exchange, answered_at=now)
        detected = detect(
            exchange,
            snapshot,
            holds=settings.holds if settings.grouped else None,
            routes=settings.routes,
            now=now,
            rejection=rejection,
        )
        if isinstance(exchange.operation, UploadChart) and exchange.succeeded and not detected.events:
            # Only a provenance file, or a chart beyond our limits.
            log.info("upload.without_chart", request_id=exchange.request_id)
        if beginning:
            detected = Detected(detected.events, (*beginning.noted(snapshot), *detected.changes))
        closes = exchange.id if isinstance(exchange.operation, WriteOperation) else None
        return self._fan_out.decision(detected, snapshot.created_at, at=now, closes=closes)

    def _decide_due(self, held: HeldSnapshot, now: datetime) -> Decided:
        settings = self._settings
        detected = due(held, settings.holds, now, several_workers=settings.several_workers)
        return self._fan_out.decision(detected, held.created_at, at=self._now())

    def _report(self, decision: Decided) -> None:
        """After the commit: wake the dispatcher, count."""
        deliveries = [delivery for raised in decision.raised for delivery in raised.deliveries]
        waiting = (found.target for found in deliveries if found.state is DeliveryState.WAITING)
        self._outbox.stored(frozenset(waiting))
        for raised in decision.raised:
            self._on_event(raised.event.type)
        for delivery in deliveries:
            if delivery.state is not DeliveryState.GIVEN_UP:
                continue
            self._on_ended(delivery.state)
            log.error(
                "delivery.given_up",
                event_id=str(delivery.event_id),
                policy=delivery.target.policy_id,
                delivery_id=str(delivery.id),
                error=delivery.reason,
            )

    def _context(self, project_name: str, created_at: int | None) -> FormatContext:
        project = self._projects.get(project_name)
        return context_of(self._settings, is_public=project is not None and project.public, at=created_at)


def context_of(settings: RecorderSettings, *, is_public: bool, at: int | None) -> FormatContext:
    """The context for the formats; `at` is when the repository was first seen."""
    return FormatContext(
        hostname=settings.hostname,
        external_url=settings.external_url,
        public=is_public,
        repository_created_at=at,
    )


def _weight(exchange: Exchange) -> int:
    manifests = (exchange.manifest, exchange.facts.manifest, *exchange.facts.children.values())
    descriptors = sum(len(found.layers) + len(found.children) + 2 for found in manifests if found)
    refusal = exchange.refusal
    return 500 + _DESCRIPTOR_BYTES * descriptors + (len(refusal.content) if refusal else 0)


def _is_nothing(exchange: Exchange, *, is_about_rejections: bool) -> bool:
    """Whether an exchange that was not rejected changes nothing that is stored."""
    match exchange.operation:
        case WriteBlob() | UploadProvenance():
            return True
        case HeadManifest():
            return exchange.status == 404 and not is_about_rejections
        case _:
            return False
