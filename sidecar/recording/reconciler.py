"""Finds out whether write operations took effect whose response was never recorded.

After a crash, or when the upstream vanished before it responded, an intent is left open. The upstream's
state shows whether it accepted the operation: a tag that names the manifest's digest, a digest that is
gone, a chart with the uploaded hash in the chart repository's index. A state that is remembered from before proves
nothing. An accepted operation is recorded under the intent's id, so repeating this is harmless. The client's
credentials are never stored: the upstream is asked with those of the configuration or anonymously and, if that
fails, with those of the next client whose request for the same repository is accepted.
"""

import time
from collections.abc import Awaitable, Callable, Generator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import httpx
import structlog

from sidecar.model.errors import StoreUnavailable
from sidecar.model.exchange import Body, Exchange, Intent, Outcome
from sidecar.model.manifest import Manifest
from sidecar.model.operation import (
    DeleteChart,
    DownloadChart,
    Operation,
    Other,
    Ping,
    PutManifest,
    Routes,
    UploadChart,
    UploadProvenance,
)
from sidecar.recording.recorder import Recorder
from sidecar.recording.upstream_state import Finding, UpstreamState
from sidecar.store.store import Store
from sidecar.upstreams.client import UpstreamClient
from sidecar.upstreams.registry_auth import RegistryAuth
from sidecar.upstreams.stored_charts import Parse

log = structlog.get_logger()

#: An upstream may still be processing a request of a dead process; "not there" counts only after this time.
_SETTLED_S: Final = 10.0
#: Attempts at an intent that fails because of a bug of ours.
_MOST_FAILURES: Final = 5


class Reconciler:
    """Asks the upstreams about intents that were left open."""

    def __init__(
        self,
        store: Store,
        pipeline: Recorder,
        *,
        registry: Callable[[], UpstreamClient],
        charts: Callable[[], UpstreamClient | None],
        routes: Callable[[], Routes],
        parse: Parse,
        read_manifest: Callable[[Body], Awaitable[Manifest | None]],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._pipeline = pipeline
        self._registry = registry
        self._charts = charts
        self._monotonic = monotonic
        self._state = UpstreamState(
            store,
            registry=registry,
            charts=charts,
            routes=routes,
            parse=parse,
            read_manifest=read_manifest,
            on_no_answer=self._was_not_answered,
        )
        self._complained: set[str] = set()
        self._failures: dict[str, int] = {}
        self._first_asked_s: dict[str, float] = {}
        self._unanswered: dict[str, list[Intent]] = {}  # by repository: the registry requires credentials

    async def reconcile(self) -> int:
        """Settle what can be settled; returns how many intents are still open."""
        intents = await self._store.intents_left_open()
        open_now = {str(intent.id) for intent in intents}
        # An intent that was left open only briefly is asked about again the next time.
        self._first_asked_s = {key: at_s for key, at_s in self._first_asked_s.items() if key in open_now}
        self._unanswered.clear()
        remaining = 0
        for intent in intents:
            remaining += not await self._settle(intent, self._own_credentials(intent))
        return remaining

    def _own_credentials(self, intent: Intent) -> httpx.Auth:
        if not isinstance(intent.operation, UploadChart | DeleteChart):
            upstream = self._registry()
            return RegistryAuth(upstream.username, upstream.password)
        charts = self._charts()
        # Not RegistryAuth: it buffers every response, and a chart is read as a stream.
        return (
            httpx.BasicAuth(charts.username, charts.password.reveal())
            if charts and charts.username
            else httpx.Auth()
        )

    def wants_credentials(self, operation: Operation) -> bool:
        """Whether the upstream of this operation refused to answer without other credentials."""
        return bool(self._unanswered) and _subject(operation) in self._unanswered

    async def reconcile_as(self, operation: Operation, authorization: str) -> None:
        """Ask again as a client whose request about the same repository was just accepted.

        Its credentials are used for these requests only, and not stored.
        """
        for intent in self._unanswered.pop(_subject(operation), []):
            await self._settle(intent, _Borrowed(authorization))

    async def _settle(self, intent: Intent, auth: httpx.Auth) -> bool:
        manifest = None
        try:
            finding = await self._state.finding(intent, auth)
            if finding is Finding.ACCEPTED:
                manifest = await self._state.manifest(intent, auth)
        except httpx.HTTPError as exc:
            finding = Finding.UNKNOWN
            self._complain(intent, repr(exc))
        except StoreUnavailable:
            raise
        except Exception:  # our own bug with one intent must not leave the others open
            log.exception("intent.not_settled", operation=_name(intent), request_id=intent.request_id)
            return await self._has_failed_often(intent)
        if finding is Finding.ACCEPTED:
            if not await self._pipeline.conclude(self._concluded(intent, manifest)):
                return await self._has_failed_often(intent)
        elif finding is Finding.REFUSED and self._has_settled(intent):
            await self._store.close_intent(intent.id)
        else:
            return False
        log.info("intent.reconciled", request_id=intent.request_id, verdict=finding, operation=_name(intent))
        return True

    async def _has_failed_often(self, intent: Intent) -> bool:
        """Close an intent that cannot be settled after several attempts; its event is lost, and logged."""
        failures = self._failures.pop(str(intent.id), 0) + 1
        if failures < _MOST_FAILURES:
            self._failures[str(intent.id)] = failures
            return False
        await self._store.close_intent(intent.id)
        log.error(
            "intent.given_up",
            operation=_name(intent),
            request_id=intent.request_id,
            failures=failures,
            event_id=str(intent.id),
        )
        return True

    def _concluded(self, intent: Intent, manifest: Manifest | None) -> Exchange:
        chart = self._state.take_chart(intent)
        return replace(_concluded(intent, datetime.now(UTC)), manifest=manifest, chart=chart)

    def _has_settled(self, intent: Intent) -> bool:
        # By the monotonic clock: an intent that is closed too early is a lost event.
        now_s = self._monotonic()
        return now_s - self._first_asked_s.setdefault(str(intent.id), now_s) >= _SETTLED_S

    def _complain(self, intent: Intent, error: str) -> None:
        """Log once for each intent why it stays open."""
        if str(intent.id) not in self._complained:
            self._complained.add(str(intent.id))
            log.warning(
                "intent.left_open", operation=_name(intent), request_id=intent.request_id, error=error
            )

    def _was_not_answered(self, intent: Intent, status: int) -> None:
        if status in {401, 403}:
            self._unanswered.setdefault(_subject(intent.operation), []).append(intent)
        self._complain(intent, f"the upstream answered {status} to the question; {_ADVICE}")


class _Borrowed(httpx.Auth):
    """A client's own Authorization header, unchanged."""

    def __init__(self, authorization: str) -> None:
        self._authorization = authorization

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = self._authorization
        yield request


_ADVICE: Final = (
    "it is asked again with the next accepted request; or set registry.username and registry.password"
)


def _concluded(intent: Intent, at: datetime) -> Exchange:
    """The reconstructed exchange; its time is that of the request, the only one known."""
    return Exchange(
        id=intent.id,
        operation=intent.operation,
        client=intent.client,
        began_at=min(intent.opened_at, at),
        answered_at=min(intent.opened_at, at),
        status=201 if isinstance(intent.operation, PutManifest | UploadChart) else 200,
        outcome=Outcome.CLIENT_GONE,
        content_digest=intent.content_digest,
        facts=intent.facts,
        request_id=intent.request_id,
    )


def _subject(operation: Operation) -> str:
    """The repository, or tenant of the chart repository, that an operation needs permissions for."""
    match operation:
        case UploadChart(tenant) | UploadProvenance(tenant) | DownloadChart(tenant) | DeleteChart(tenant):
            return f"charts/{tenant}"
        case Ping() | Other():
            return ""
        case _:
            return operation.repository.full_name


def _name(intent: Intent) -> str:
    return type(intent.operation).__name__
