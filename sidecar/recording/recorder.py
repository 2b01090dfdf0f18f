"""The whole flow: what the proxy hands over becomes events, events become stored deliveries.

    Exchange ──detectors──► Event ──formats──► Delivery ──► store        (one transaction)

A write operation is noted before it is forwarded (`admission`) and closed in the transaction that
stores its deliveries (`record`), before the client sees the end of its answer. Trouble in here never
reaches the client: what the store refuses is kept in memory and written when it is back.
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
from sidecar.detectors.enriching import is_size_known
from sidecar.detectors.grouping import Holds, ripe, with_chart_events
from sidecar.formats import FormatContext
from sidecar.formats.fanout import deliveries_for
from sidecar.model.delivery import Delivery, DeliveryState, TargetKey
from sidecar.model.errors import StoreUnavailable
from sidecar.model.event import Event, EventType, Shape
from sidecar.model.exchange import Client, Exchange, Outcome
from sidecar.model.memory import Recalled
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
from sidecar.recording.refusals import RefusedPushes
from sidecar.store.ledger import Ledger
from sidecar.store.outbox import Outbox
from sidecar.store.store import Store

log = structlog.get_logger()

#: A store that takes longer than this does not hold a client any longer.
_PATIENCE_S: Final = 5.0
_RECALL_S: Final = 0.5
_UPLOAD_NOTED_EVERY_S: Final = 5.0
_BLOB_NOTED_EVERY_S: Final = 1.0
_MOST_NOTED: Final = 10_000
_MOST_BLOBS: Final = 1_000
_RIPE_LATE_S: Final = 2.0
_DESCRIPTOR_BYTES: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class RecorderSettings:
    """What of the configuration the pipeline needs; replaced as a whole on reload."""

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


@dataclass(slots=True)
class _Kept:
    """What a transaction stored."""

    targets: set[TargetKey] = field(default_factory=set)
    event_types: list[EventType] = field(default_factory=list)
    given_up: list[Delivery] = field(default_factory=list)  #: their templates failed


@dataclass(slots=True)
class _OpenPull:
    """A manifest that was fetched a moment ago."""

    at_s: float
    blobs: set[tuple[str, Digest]] = field(default_factory=set)  #: noted since, each with its connection


def _now() -> datetime:
    return datetime.now(UTC)


class Recorder:
    """Joins the stages; the proxy is handed its methods."""

    def __init__(
        self,
        store: Store,
        outbox: Outbox,
        settings: RecorderSettings,
        *,
        now: Callable[[], datetime] = _now,
        steady_s: Callable[[], float] = time.monotonic,
        on_event: Callable[[EventType], None] = lambda _kind: None,
        on_ended: Callable[[DeliveryState], None] = lambda _state: None,
    ) -> None:
        """`on_event` is told of each event that was stored, `on_ended` of deliveries stored as ended.

        steady_s   a clock that is never set, for what is only noted every few seconds
        """
        self._store = store
        self._outbox = outbox
        self._now = now
        self._steady_s = steady_s
        self._on_event = on_event
        self._on_ended = on_ended
        self._pulls_open: dict[tuple[Client, str], _OpenPull] = {}
        self._noted: dict[tuple[Client | None, str], float] = {}
        self._refused = RefusedPushes(store, now=now, steady_s=steady_s)
        self.saw_ping = self._refused.saw_ping
        self.saw_blob_question = self._refused.saw_blob_question
        self.apply(settings)

    def apply(self, settings: RecorderSettings) -> None:
        """Use these settings from now on."""
        self._settings = settings
        self._projects = {project.name: project for project in settings.projects}
        self._interest = Interest(
            settings.policies if settings.enabled else (),
            routes=settings.routes,
            ignore_user_agents=settings.ignore_user_agents,
        )
        self._refused.apply(
            settings.rejections,
            is_followed=settings.grouped and self._interest.has_rejections,
            several_workers=settings.several_workers,
        )

    # What the proxy is handed

    def is_observed(self, operation: Operation) -> bool:
        """Whether any policy cares; nothing is copied, noted or detected otherwise."""
        if isinstance(operation, Ping):
            return self._refused.may_go_on
        return self._interest.observes(operation)

    def wants_oci_chart(self, repository: Repository) -> bool:
        """Whether a chart kept as an OCI artifact raises CHART events in this repository's project."""
        project = self._projects.get(repository.project)
        return project is not None and project.oci_chart_events

    async def recall(self, repository: Repository, digest: Digest) -> Recalled:
        """What is remembered of a manifest; nothing where the store does not say so at once."""
        try:
            async with asyncio.timeout(_RECALL_S):
                return await self._store.consult(
                    lambda ledger: Recalled(
                        tags=ledger.tags_of(repository, digest),
                        is_whole=is_size_known(repository, digest, ledger),
                    )
                )
        except (StoreUnavailable, TimeoutError):
            return Recalled()
        except Exception:
            log.exception("recall.failed")
            return Recalled()

    async def record(self, exchange: Exchange) -> None:
        """Turn one finished exchange into stored deliveries; never raises."""
        await self.conclude(exchange)

    async def conclude(self, exchange: Exchange) -> bool:
        """As `record`; False when it failed by a bug of ours: an intent is left to the reconciler then."""
        if self._interest.is_ignored(exchange):
            return True
        rejection = self._rejection_of(exchange)
        if not rejection and self._is_nothing(exchange):
            return True
        if isinstance(exchange.operation, GetManifest):
            # Now, not when the store comes to it: the client may ask for a blob before that.
            self._open_pull(exchange.client, exchange.operation.repository)
        try:
            async with asyncio.timeout(_PATIENCE_S):
                kept = await self._store.transact(
                    lambda ledger: self._conclude(ledger, exchange, rejection),
                    keep=True,
                    weight=_weight(exchange),
                    events=int(
                        rejection is not None
                        or (exchange.succeeded and not isinstance(exchange.operation, HeadManifest))
                    ),
                )
        except (StoreUnavailable, TimeoutError) as exc:
            log.warning("exchange.kept_in_memory", request_id=exchange.request_id, error=str(exc) or "slow")
        except Exception:
            # Our own bug, or input that nobody thought of: the client's push must not suffer from it.
            log.exception("exchange.record_failed", operation=type(exchange.operation).__name__)
            await self._disown(exchange)
            return False
        else:
            self._tell(kept)
        return True

    async def _disown(self, exchange: Exchange) -> None:
        if isinstance(exchange.operation, WriteOperation):
            with suppress(StoreUnavailable):
                await self._store.transact(lambda ledger: ledger.disown_intent(exchange.id))

    def saw_blob(self, client: Client, repository: Repository, digest: Digest) -> None:
        """A client fetches a blob: what it looked at is pulled."""
        is_news = self._is_news(client, repository, digest) or (
            self._settings.several_workers
            and self._is_due(client, f"{repository}@{digest}", _BLOB_NOTED_EVERY_S)
        )
        if is_news:
            self._store.post(lambda ledger: ledger.note_blob_fetched(client, repository, digest))

    def saw_upload(self, client: Client, repository: Repository, began_at: datetime) -> None:
        """An upload goes on: pushes by digest in this repository wait for its index."""
        self._refused.saw_upload(client, repository, began_at)
        if self._settings.grouped and self._is_due(None, repository.full_name, _UPLOAD_NOTED_EVERY_S):
            at = self._now()
            self._store.post(lambda ledger: ledger.note_upload(repository, at=at))

    # What time brings

    async def ripen(self) -> None:
        """Raise the held events whose time has come."""
        now, holds = self._now(), self._settings.holds
        if not await self._store.has_due_holds(
            now, pulls_until=now + holds.pull, pushes_until=now + holds.push
        ):
            return
        several = self._settings.several_workers
        self._tell(
            await self._store.transact(
                lambda ledger: self._keep(ledger, ripe(ledger, holds, now, several_workers=several))
            )
        )

    # Inside the transaction

    def _conclude(self, ledger: Ledger, exchange: Exchange, rejection: Rejection | None) -> _Kept:
        settings = self._settings
        if exchange.outcome is Outcome.UPSTREAM_FAILED and not exchange.status:
            ledger.disown_intent(exchange.id)
            return _Kept()
        if exchange.answered_at > (now := self._now()):  # the clock was set back since
            exchange = replace(exchange, answered_at=now)
        holds = settings.holds if settings.grouped else None
        if self._interest.wants_rejections(exchange.operation):
            self._refused.note_read(exchange, ledger)
        events = detect(exchange, ledger, holds=holds, routes=settings.routes, rejection=rejection)
        if isinstance(exchange.operation, WriteOperation):
            ledger.close_intent(exchange.id)
        if isinstance(exchange.operation, UploadChart) and exchange.succeeded and not events:
            # Only a provenance file, or a chart that is not readable within our bounds.
            log.info("upload.without_chart", request_id=exchange.request_id)
        return self._keep(ledger, events)

    def _keep(self, ledger: Ledger, events: tuple[Event, ...]) -> _Kept:
        kept = _Kept()
        if not self._settings.enabled:
            return kept
        for event in events:
            for raised in with_chart_events(event, wanted=self.wants_oci_chart(event.repository)):
                self._keep_event(ledger, raised, kept)
        return kept

    def _keep_event(self, ledger: Ledger, event: Event, kept: _Kept) -> None:
        now = self._now()
        # A repository older than the sidecar is dated from its first sight, whatever was done to it.
        seen_at = event.occurred_at if event.type.about.shape is Shape.IMAGE else None
        created_at = ledger.created_at(event.repository, at=seen_at)
        deliveries = deliveries_for(
            event, self._settings.policies, lambda raised: self._context(raised, created_at), at=now
        )
        if deliveries:
            ledger.store_event(event, deliveries, next_attempt_at=now)
            kept.event_types.append(event.type)
            kept.given_up += (found for found in deliveries if found.state is DeliveryState.GIVEN_UP)
            kept.targets |= {found.target for found in deliveries if found.state is DeliveryState.WAITING}

    def _tell(self, kept: _Kept) -> None:
        """After the commit: wake the dispatcher, count."""
        self._outbox.stored(frozenset(kept.targets))
        for event_type in kept.event_types:
            self._on_event(event_type)
        for delivery in kept.given_up:
            self._on_ended(delivery.state)
            log.error(
                "delivery.given_up",
                event_id=str(delivery.event_id),
                policy=delivery.target.policy_id,
                delivery_id=str(delivery.id),
                error=delivery.reason,
            )

    def _context(self, event: Event, created_at: int | None) -> FormatContext:
        project = self._projects.get(event.repository.project)
        return context_of(self._settings, is_public=project is not None and project.public, at=created_at)

    # Small things

    def _rejection_of(self, exchange: Exchange) -> Rejection | None:
        return (
            self._refused.recognise(exchange) if self._interest.wants_rejections(exchange.operation) else None
        )

    def _is_nothing(self, exchange: Exchange) -> bool:
        """Whether an exchange says nothing that is kept, now that it was not refused for lack of room."""
        match exchange.operation:
            case WriteBlob() | UploadProvenance():
                return True
            case HeadManifest():
                return exchange.status == 404 and not self._interest.wants_rejections(exchange.operation)
            case _:
                return False

    def _open_pull(self, client: Client, repository: Repository) -> None:
        if len(self._pulls_open) >= _MOST_NOTED:
            self._pulls_open.clear()
        self._pulls_open[client, repository.full_name] = _OpenPull(self._steady_s())

    def _is_news(self, client: Client, repository: Repository, digest: Digest) -> bool:
        """Whether a blob is of a pull that may still be held, and not noted since its manifest came."""
        opened = self._pulls_open.get((client, repository.full_name))
        blob = (client.connection, digest)
        if opened is None or blob in opened.blobs or len(opened.blobs) >= _MOST_BLOBS:
            return False
        if self._steady_s() - opened.at_s > self._settings.holds.pull.total_seconds() + _RIPE_LATE_S:
            return False
        opened.blobs.add(blob)
        return True

    def _is_due(self, client: Client | None, what: str, every_s: float) -> bool:
        """Whether something about this client and that was not noted for so long; notes it."""
        key = (client, what)
        noted = self._noted.get(key)
        if noted is not None and self._steady_s() - noted < every_s:
            return False
        if len(self._noted) >= _MOST_NOTED:
            self._noted.clear()  # forgetting costs a row more, not an event
        self._noted[key] = self._steady_s()
        return True


def context_of(settings: RecorderSettings, *, is_public: bool, at: int | None) -> FormatContext:
    """What formats are told; `at` is when the repository was first seen."""
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
