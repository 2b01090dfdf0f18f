"""What the upstream's state says about a write operation whose answer was never recorded.

A tag that names the manifest's digest, a digest that is gone, a chart whose bytes have the uploaded hash in the
chart repository's own index. What was so before, as far as is remembered, shows nothing.
"""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from urllib.parse import quote

import httpx

from sidecar.model.event import Chart
from sidecar.model.exchange import HARBOR_CLIENT, Body, Intent, Remembered
from sidecar.model.manifest import LARGEST_MANIFEST_BYTES, MANIFEST_TYPES, Manifest
from sidecar.model.names import Repository
from sidecar.model.operation import DeleteChart, DeleteManifest, PutManifest, Routes, UploadChart
from sidecar.store.store import Store
from sidecar.upstreams.client import UpstreamClient
from sidecar.upstreams.stored_charts import Parse, StoredCharts, Unknown


class Finding(StrEnum):
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"  #: the upstream cannot be reached, or does not say


class UpstreamState:
    """The state of both upstreams, as far as intents are about it."""

    def __init__(
        self,
        store: Store,
        *,
        registry: Callable[[], UpstreamClient],
        charts: Callable[[], UpstreamClient | None],
        routes: Callable[[], Routes],
        parse: Parse,
        read_manifest: Callable[[Body], Awaitable[Manifest | None]],
        on_no_answer: Callable[[Intent, int], None],
    ) -> None:
        """`on_no_answer` is called with the status where the upstream does not tell."""
        self._store = store
        self._registry = registry
        self._charts = charts
        self._routes = routes
        self._parse = parse
        self._read_manifest = read_manifest
        self._on_no_answer = on_no_answer
        self._charts_found: dict[str, Chart] = {}  # by intent

    def take_chart(self, intent: Intent) -> Chart | None:
        """The chart that was found when it was asked about an upload; once."""
        return self._charts_found.pop(str(intent.id), None)

    async def finding(self, intent: Intent, auth: httpx.Auth) -> Finding:
        """Asks the upstream. Raises httpx.HTTPError."""
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

    async def manifest(self, intent: Intent, auth: httpx.Auth) -> Manifest | None:
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
        self._on_no_answer(intent, response.status_code)
        return None

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
            self._on_no_answer(intent, found.status)
            return Finding.UNKNOWN
        return Finding.ACCEPTED if accepted else Finding.REFUSED


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
