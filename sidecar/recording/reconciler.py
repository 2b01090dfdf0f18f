"""What became of write operations whose answer was never recorded.

After a crash, or when the upstream vanished before it answered, an intent is left open. The upstream's
state tells whether it accepted the operation: a tag that names the manifest's digest, a digest that is
gone, a chart whose bytes have the uploaded hash in the chart repository's own index. What was so before, as far
as is remembered, shows nothing. What was accepted is recorded under the intent's id, so it does not matter
how often this is done. The client's credentials are never kept: the upstream is
asked with those of the configuration or with none, and where that does not do, as the next client whose
request for the same repository is accepted.
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

#: An upstream may still be working on what a dead process forwarded; "not there" is believed after this.
_SETTLED_S: Final = 10.0
#: So often an intent is tried that fails by a bug of ours.
_MOST_FAILURES: Final = 5


class Verdict(StrEnum):
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"  #: the upstream cannot be asked, or will not tell


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
        steady_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read_manifest = read_manifest
        self._store = store
        self._pipeline = pipeline
        self._registry = registry
        self._charts = charts
        self._routes = routes
        self._parse = parse
        self._steady_s = steady_s
        self._charts_found: dict[str, Chart] = {}  # by intent
        self._complained: set[str] = set()
        self._failures: dict[str, int] = {}
        self._first_asked_s: dict[str, float] = {}
        self._unanswered: dict[str, list[Intent]] = {}  # by repository: the registry wants to know who asks

    async def reconcile(self) -> int:
        """Settle what can be settled; answers how many intents are still open."""
        intents = await self._store.intents_left_open()
        open_now = {str(intent.id) for intent in intents}
        # One that was left open for a moment only is asked about anew the next time.
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
        # Not RegistryAuth: it reads every answer whole, and a chart is read as a stream.
        return (
            httpx.BasicAuth(charts.username, charts.password.reveal())
            if charts and charts.username
            else httpx.Auth()
        )

    def wants_credentials(self, operation: Operation) -> bool:
        """Whether an upstream did not answer, without credentials, about what this operation is about."""
        return bool(self._unanswered) and _subject(operation) in self._unanswered

    async def reconcile_as(self, operation: Operation, authorization: str) -> None:
        """Ask again as a client whose request about the same repository was just accepted.

        Its credentials serve these questions and are kept nowhere.
        """
        for intent in self._unanswered.pop(_subject(operation), []):
            await self._settle(intent, _Borrowed(authorization))

    async def _settle(self, intent: Intent, auth: httpx.Auth) -> bool:
        manifest = None
        try:
            verdict = await self._ask(intent, auth)
            if verdict is Verdict.ACCEPTED:
                manifest = await self._manifest(intent, auth)
        except httpx.HTTPError as exc:
            verdict = Verdict.UNKNOWN
            self._complain(intent, repr(exc))
        except StoreUnavailable:
            raise
        except Exception:  # our own bug with one intent must not leave the others open
            log.exception("intent.not_settled", operation=_name(intent), request_id=intent.request_id)
            return await self._has_failed_often(intent)
        if verdict is Verdict.ACCEPTED:
            if not await self._pipeline.conclude(self._concluded(intent, manifest)):
                return await self._has_failed_often(intent)
        elif verdict is Verdict.REFUSED and self._has_settled(intent):
            await self._store.close_intent(intent.id)
        else:
            return False
        log.info("intent.reconciled", request_id=intent.request_id, verdict=verdict, operation=_name(intent))
        return True

    async def _has_failed_often(self, intent: Intent) -> bool:
        """Close an intent that we cannot settle however often we try; that event is lost, and said so."""
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
        # By a clock that is never set: an intent that is closed too early is an event lost.
        now_s = self._steady_s()
        return now_s - self._first_asked_s.setdefault(str(intent.id), now_s) >= _SETTLED_S

    def _complain(self, intent: Intent, error: str) -> None:
        """Say once for each intent why it stays open."""
        if str(intent.id) not in self._complained:
            self._complained.add(str(intent.id))
            log.warning(
                "intent.left_open", operation=_name(intent), request_id=intent.request_id, error=error
            )

    async def _ask(self, intent: Intent, auth: httpx.Auth) -> Verdict:
        match intent.operation:
            case PutManifest() as put:
                return await self._ask_put(intent, put, auth)
            case DeleteManifest() as delete:
                return await self._ask_delete(intent, delete, auth)
            case UploadChart() as upload:
                return await self._ask_upload(intent, upload, auth)
            case DeleteChart() as delete:
                return await self._ask_delete_chart(intent, delete, auth)

    async def _ask_put(self, intent: Intent, put: PutManifest, auth: httpx.Auth) -> Verdict:
        expected = put.reference.digest or intent.content_digest
        if expected is None:
            return Verdict.REFUSED  # its last bytes were never forwarded
        found = await self._manifest_digest(intent, put.repository, str(put.reference), auth)
        if found and found != expected:
            return await self._ask_overtaken(intent, put, auth, expected=expected, found=found)
        # What was named so before does not show that it was named so again.
        return _verdict(found, accepted=bool(found) and intent.remembered is not Remembered.REFERENCE)

    async def _ask_overtaken(
        self, intent: Intent, put: PutManifest, auth: httpx.Auth, *, expected: str, found: str
    ) -> Verdict:
        """The tag names something else: another push may have come after this one.

        Accepted when the manifest is there, was not before, and a later push is what moved the tag; else the
        upstream never saw it.
        """
        later = await self._store.tag_seen_since(put.repository, str(put.reference), found, intent.opened_at)
        if not later or intent.remembered is not Remembered.NOTHING:
            return Verdict.REFUSED
        kept = await self._manifest_digest(intent, put.repository, expected, auth)
        return _verdict(kept, accepted=bool(kept))

    async def _ask_delete(self, intent: Intent, delete: DeleteManifest, auth: httpx.Auth) -> Verdict:
        found = await self._manifest_digest(intent, delete.repository, str(delete.reference), auth)
        was_there = intent.facts.existed or intent.remembered is Remembered.REFERENCE
        return _verdict(found, accepted=found == "" and was_there)

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
        """The digest that a reference names, "" when it names nothing, None when it cannot be known."""
        upstream = self._registry()
        url = f"{upstream.url}/v2/{repository.full_name}/manifests/{quote(reference, safe=':')}"
        async with upstream.session() as http:
            response = await http.head(url, headers={"Accept": ", ".join(MANIFEST_TYPES)}, auth=auth)
        if response.status_code == 404:
            return ""
        if response.status_code == 200:
            return response.headers.get("Docker-Content-Digest") or reference
        self._was_not_told(intent, response.status_code)
        return None

    def _was_not_told(self, intent: Intent, status: int) -> None:
        if status in {401, 403}:
            self._unanswered.setdefault(_subject(intent.operation), []).append(intent)
        self._complain(intent, f"the upstream answered {status} to the question; {_ADVICE}")

    async def _ask_upload(self, intent: Intent, upload: UploadChart, auth: httpx.Auth) -> Verdict:
        stored = self._stored_charts(auth)
        if not intent.chart_sizes:
            return Verdict.REFUSED  # its last bytes were never forwarded, or nothing can be shown
        if stored is None:
            return Verdict.UNKNOWN
        found = await stored.find(upload.tenant, intent.chart_sizes, since=intent.opened_at)
        if isinstance(found, Chart):
            self._charts_found[str(intent.id)] = found
        return self._chart_verdict(intent, found, accepted=found is not None)

    async def _ask_delete_chart(self, intent: Intent, delete: DeleteChart, auth: httpx.Auth) -> Verdict:
        stored = self._stored_charts(auth)
        if stored is None:
            return Verdict.UNKNOWN
        found = await stored.digest_of(delete.tenant, f"{delete.name}-{delete.version}.tgz")
        return self._chart_verdict(intent, found, accepted=found is None and intent.facts.existed is True)

    def _stored_charts(self, auth: httpx.Auth) -> StoredCharts | None:
        upstream = self._charts()
        return StoredCharts(upstream, self._routes(), self._parse, auth) if upstream else None

    def _chart_verdict(self, intent: Intent, found: object, *, accepted: bool) -> Verdict:
        if isinstance(found, Unknown):
            self._was_not_told(intent, found.status)
            return Verdict.UNKNOWN
        return Verdict.ACCEPTED if accepted else Verdict.REFUSED


class _Borrowed(httpx.Auth):
    """A client's own Authorization, as it came."""

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


def _verdict(found: str | None, *, accepted: bool) -> Verdict:
    if found is None:
        return Verdict.UNKNOWN
    return Verdict.ACCEPTED if accepted else Verdict.REFUSED


def _concluded(intent: Intent, at: datetime) -> Exchange:
    """The exchange as it must have been; dated when it was begun, which is all that is known."""
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
    """What an operation needs rights for: a repository, or a tenant of the chart repository."""
    match operation:
        case UploadChart(tenant) | UploadProvenance(tenant) | DownloadChart(tenant) | DeleteChart(tenant):
            return f"charts/{tenant}"
        case Ping() | Other():
            return ""
        case _:
            return operation.repository.full_name


def _name(intent: Intent) -> str:
    return type(intent.operation).__name__
