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
from enum import StrEnum
from typing import Final
from urllib.parse import quote

import httpx
import structlog

from sidecar.model.errors import StoreUnavailable
from sidecar.model.event import Chart
from sidecar.model.exchange import HARBOR_CLIENT, Body, Exchange, Intent, Outcome, Remembered
from sidecar.model.manifest import LARGEST_MANIFEST_BYTES, MANIFEST_TYPES, Manifest
from sidecar.model.names import Repository
from sidecar.model.operation import (
    DeleteChart,
    DeleteManifest,
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
from sidecar.store.store import Store
from sidecar.upstreams.client import UpstreamClient
from sidecar.upstreams.registry_auth import RegistryAuth
from sidecar.upstreams.stored_charts import Parse, StoredCharts, Unknown

log = structlog.get_logger()

#: An upstream may still be processing a request of a dead process; "not there" counts only after this time.
_SETTLED_S: Final = 10.0
#: Attempts at an intent that fails because of a bug of ours.
_MOST_FAILURES: Final = 5


class Finding(StrEnum):
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"  #: the upstream cannot be reached, or does not say


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
        self._read_manifest = read_manifest
        self._store = store
        self._pipeline = pipeline
        self._registry = registry
        self._charts = charts
        self._routes = routes
        self._parse = parse
        self._monotonic = monotonic
        self._charts_found: dict[str, Chart] = {}  # by intent
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
            finding = await self._ask(intent, auth)
            if finding is Finding.ACCEPTED:
                manifest = await self._manifest(intent, auth)
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
        chart = self._charts_found.pop(str(intent.id), None)
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

    async def _ask(self, intent: Intent, auth: httpx.Auth) -> Finding:
        match intent.operation:
            case PutManifest() as put:
                return await self._ask_put(intent, put, auth)
            case DeleteManifest() as delete:
                return await self._ask_delete(intent, delete, auth)
            case UploadChart() as upload:
                return await self._ask_upload(intent, upload, auth)
            case DeleteChart() as delete:
                return await self._ask_delete_chart(intent, delete, auth)

    async def _ask_put(self, intent: Intent, put: PutManifest, auth: httpx.Auth) -> Finding:
        expected = put.reference.digest or intent.content_digest
        if expected is None:
            return Finding.REFUSED  # its last bytes were never forwarded
        found = await self._manifest_digest(intent, put.repository, str(put.reference), auth)
        if found and found != expected:
            return await self._ask_overtaken(intent, put, auth, expected=expected, found=found)
        # A tag that named it before does not prove that the push took effect.
        return _finding(found, accepted=bool(found) and intent.remembered is not Remembered.REFERENCE)

    async def _ask_overtaken(
        self, intent: Intent, put: PutManifest, auth: httpx.Auth, *, expected: str, found: str
    ) -> Finding:
        """The tag names something else: another push may have followed.

        Accepted when the manifest is there, was not before, and a later push moved the tag; otherwise the
        upstream never got it.
        """
        later = await self._store.tag_seen_since(put.repository, str(put.reference), found, intent.opened_at)
        if not later or intent.remembered is not Remembered.NOTHING:
            return Finding.REFUSED
        stored = await self._manifest_digest(intent, put.repository, expected, auth)
        return _finding(stored, accepted=bool(stored))

    async def _ask_delete(self, intent: Intent, delete: DeleteManifest, auth: httpx.Auth) -> Finding:
        found = await self._manifest_digest(intent, delete.repository, str(delete.reference), auth)
        was_there = intent.facts.existed or intent.remembered is Remembered.REFERENCE
        return _finding(found, accepted=found == "" and was_there)

    async def _manifest(self, intent: Intent, auth: httpx.Auth) -> Manifest | None:
        """The manifest that was PUT, as it was noted or, if it was large, as the registry has it."""
        if not isinstance(intent.operation, PutManifest):
            return intent.facts.manifest
        if intent.request_body:
            return await self._read_manifest(intent.request_body)
        digest = intent.operation.reference.digest or intent.content_digest
        upstream = self._registry()
        url = f"{upstream.url}/v2/{intent.operation.repository.full_name}/manifests/{digest}"
        headers = {"Accept": ", ".join(MANIFEST_TYPES), "User-Agent": HARBOR_CLIENT}
        async with (
            upstream.session() as http,
            http.stream("GET", url, headers=headers, auth=auth) as response,
        ):
            content = await _content_of(response) if response.status_code == 200 else None
            content_type = response.headers.get("Content-Type", "")
        return await self._read_manifest(Body(content, content_type)) if content else None

    async def _manifest_digest(
        self, intent: Intent, repository: Repository, reference: str, auth: httpx.Auth
    ) -> str | None:
        """The digest that a reference names, "" when it names nothing, None when that is unknown."""
        upstream = self._registry()
        url = f"{upstream.url}/v2/{repository.full_name}/manifests/{quote(reference, safe=':')}"
        async with upstream.session() as http:
            response = await http.head(url, headers={"Accept": ", ".join(MANIFEST_TYPES)}, auth=auth)
        if response.status_code == 404:
            return ""
        if response.status_code == 200:
            return response.headers.get("Docker-Content-Digest") or reference
        self._log_no_answer(intent, response.status_code)
        return None

    def _log_no_answer(self, intent: Intent, status: int) -> None:
        if status in {401, 403}:
            self._unanswered.setdefault(_subject(intent.operation), []).append(intent)
        self._complain(intent, f"the upstream answered {status} to the question; {_ADVICE}")

    async def _ask_upload(self, intent: Intent, upload: UploadChart, auth: httpx.Auth) -> Finding:
        stored = self._stored_charts(auth)
        if not intent.chart_sizes:
            return Finding.REFUSED  # its last bytes were never forwarded, or nothing can be shown
        if stored is None:
            return Finding.UNKNOWN
        found = await stored.find(upload.tenant, intent.chart_sizes, since=intent.opened_at)
        if isinstance(found, Chart):
            self._charts_found[str(intent.id)] = found
        return self._chart_finding(intent, found, accepted=found is not None)

    async def _ask_delete_chart(self, intent: Intent, delete: DeleteChart, auth: httpx.Auth) -> Finding:
        stored = self._stored_charts(auth)
        if stored is None:
            return Finding.UNKNOWN
        found = await stored.digest_of(delete.tenant, f"{delete.name}-{delete.version}.tgz")
        return self._chart_finding(intent, found, accepted=found is None and intent.facts.existed is True)

    def _stored_charts(self, auth: httpx.Auth) -> StoredCharts | None:
        upstream = self._charts()
        return StoredCharts(upstream, self._routes(), self._parse, auth) if upstream else None

    def _chart_finding(self, intent: Intent, found: object, *, accepted: bool) -> Finding:
        if isinstance(found, Unknown):
            self._log_no_answer(intent, found.status)
            return Finding.UNKNOWN
        return Finding.ACCEPTED if accepted else Finding.REFUSED


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


async def _content_of(response: httpx.Response) -> bytes | None:
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > LARGEST_MANIFEST_BYTES:
            return None
    return bytes(content)


def _finding(found: str | None, *, accepted: bool) -> Finding:
    if found is None:
        return Finding.UNKNOWN
    return Finding.ACCEPTED if accepted else Finding.REFUSED


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
