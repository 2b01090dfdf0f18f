"""What only the upstream knows, asked with the client's own rights and within a bounded time.

A delete takes away what names it, so its tags and sizes are asked for before it is forwarded. Whatever
cannot be learnt (a token that may delete but not pull, a slow upstream) is left out: a look-up never
changes what the client is answered.
"""

import asyncio
import hashlib
import json
import re
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import quote

import structlog

from sidecar.errors import ManifestInvalid, NameInvalid, UpstreamUnavailable
from sidecar.event import Chart
from sidecar.exchange import Body, Facts
from sidecar.manifest import (
    DOCKER_LIST,
    LARGEST_MANIFEST_BYTES,
    MANIFEST_TYPES,
    OCI_INDEX,
    Descriptor,
    Manifest,
    parse_manifest,
    platform_name,
)
from sidecar.names import Digest, Repository, parse_digest
from sidecar.operation import DeleteManifest, Routes
from sidecar.proxy.headers import RawHeader, relative_location, text_of
from sidecar.proxy.relay import read_whole
from sidecar.proxy.upstream import FAULTS, Call, Upstream

log = structlog.get_logger()

_USER_AGENT: Final = b"registry-webhook-sidecar (look-up)"
_ASKED_WITH: Final = frozenset(
    {b"authorization", b"host", b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"}
)
_AT_ONCE: Final = 8
_MOST_REQUESTS: Final = 100  # for the children of one index, however deep
_MOST_CHILDREN: Final = 50
_MOST_LEVELS: Final = 3
_LARGEST_CONFIG_BYTES: Final = 64 * 1024
_LARGEST_CHART_YAML_BYTES: Final = 1024 * 1024
_LARGEST_TAG_PAGE_BYTES: Final = 1024 * 1024
_MOST_REDIRECTS: Final = 2
_INDEX_TYPES: Final = (OCI_INDEX, DOCKER_LIST)
_CHART_LAYER_TYPES: Final = ("application/vnd.cncf.helm.chart.content.v1.tar+gzip", "application/tar+gzip")
_NEXT_PAGE = re.compile(r'<([^>]*)>\s*;[^,]*rel="?next"?')


@dataclass(frozen=True, slots=True)
class Found:
    """An upstream's answer to a look-up."""

    status: int
    headers: Sequence[RawHeader]
    content: bytes  #: b"" when it was larger than asked for

    @property
    def digest(self) -> Digest | None:
        """As the registry names the content, else as it hashes."""
        named = text_of(self.headers, b"docker-content-digest")
        if not named and self.content:
            named = f"sha256:{hashlib.sha256(self.content).hexdigest()}"
        try:
            return parse_digest(named)
        except NameInvalid:
            return None

    @property
    def body(self) -> Body:
        return Body(self.content, text_of(self.headers, b"content-type"))

    def document(self) -> dict[str, Any]:
        """The content as a JSON object, {} for anything else."""
        try:
            document = json.loads(self.content)
        except (ValueError, RecursionError):
            return {}
        return document if isinstance(document, dict) else {}


@dataclass(slots=True)
class LookUps:
    """The look-ups of one exchange; `facts` grows while they go on."""

    upstream: Upstream
    headers: Sequence[RawHeader]  #: of the request that is about to be forwarded
    timeout_s: float
    most_tags: int
    routes: Routes
    facts: Facts = field(default_factory=lambda: Facts(children={}, platforms={}))
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))
    _requests_left: int = _MOST_REQUESTS

    async def within_time(self, work: Coroutine[Any, Any, None]) -> Facts:
        """What is known when the work is done or the time is over."""
        try:
            async with asyncio.timeout(self.timeout_s):
                await work
        except TimeoutError:
            log.info("facts.timed_out", timeout_s=self.timeout_s)
        except Exception:
            log.exception("facts.failed")  # a fault of ours must not refuse a push
        return self.facts

    # Manifests

    async def before_delete(self, operation: DeleteManifest, *, wants_chart: bool) -> None:
        repository, reference = operation.repository, operation.reference
        if reference.digest:
            self.facts = replace(self.facts, digest=reference.digest)
        found = await self._manifest(repository, str(reference))
        if found is None or found.status not in {200, 404}:
            return
        self.facts = replace(self.facts, existed=found.status == 200)
        if found.status == 404:
            return
        digest = reference.digest or found.digest
        self.facts = replace(self.facts, digest=digest, manifest=found.body if found.content else None)
        async with asyncio.TaskGroup() as group:
            if reference.tag:
                self.facts = replace(self.facts, tags=(reference.tag,))
            elif digest:
                group.create_task(self._tags_of(repository, digest))
            if manifest := _parsed(found.body):
                group.create_task(self._fetch_children(repository, manifest))
                if wants_chart and manifest.is_chart:
                    group.create_task(self.oci_chart(repository, manifest))

    async def before_put(self, repository: Repository, manifest: Manifest, *, wants_chart: bool) -> None:
        if manifest.is_index:
            await self._name_platforms(repository, manifest, level=1)
        elif wants_chart and manifest.is_chart:
            await self.oci_chart(repository, manifest)

    async def oci_chart(self, repository: Repository, manifest: Manifest) -> None:
        """Chart.yaml of a chart kept as an OCI artifact is its config blob, as JSON."""
        config = await self._config(repository, manifest, _LARGEST_CHART_YAML_BYTES)
        layers = [layer for layer in manifest.layers if layer.media_type in _CHART_LAYER_TYPES]
        size_bytes = layers[0].size_bytes if layers else None
        if config and (chart := _chart_of(config, size_bytes=size_bytes)):
            self.facts = replace(self.facts, chart=chart)

    async def _name_platforms(self, repository: Repository, index: Manifest, *, level: int) -> None:
        """Platforms of children whose descriptors name none; manifests of indexes within the index."""
        unnamed = [c for c in index.children if not c.is_attestation and (not c.platform or _is_index(c))]
        async with asyncio.TaskGroup() as group:
            for child in unnamed[: self._requests_left]:
                group.create_task(self._name_platform(repository, child, level=level))

    async def _name_platform(self, repository: Repository, child: Descriptor, *, level: int) -> None:
        found = await self._child(repository, child.digest)
        manifest = _parsed(found.body) if found else None
        if found is None or manifest is None:
            return
        if manifest.is_index:
            self._keep_child(child.digest, found.body)
            if level < _MOST_LEVELS:
                await self._name_platforms(repository, manifest, level=level + 1)
        elif name := platform_name(await self._config(repository, manifest)):
            self.facts = replace(self.facts, platforms={**self.facts.platforms, child.digest: name})

    async def _fetch_children(self, repository: Repository, index: Manifest, *, level: int = 1) -> None:
        async with asyncio.TaskGroup() as group:
            for child in index.children[:_MOST_CHILDREN]:
                group.create_task(self._fetch_child(repository, child.digest, level=level))

    async def _fetch_child(self, repository: Repository, digest: Digest, *, level: int) -> None:
        found = await self._child(repository, digest)
        if not found:
            return
        self._keep_child(digest, found.body)
        manifest = _parsed(found.body)
        if manifest and manifest.is_index and level < _MOST_LEVELS:
            await self._fetch_children(repository, manifest, level=level + 1)

    def _keep_child(self, digest: Digest, body: Body) -> None:
        self.facts = replace(self.facts, children={**self.facts.children, digest: body})

    # Tags

    async def _tags_of(self, repository: Repository, digest: Digest) -> None:
        tags = await self._all_tags(repository)
        async with asyncio.TaskGroup() as group:
            for tag in tags:
                group.create_task(self._keep_tag_of(repository, tag, digest))
        # In the registry's own order, whichever answer came first.
        known = set(self.facts.tags)
        self.facts = replace(self.facts, tags=tuple(tag for tag in tags if tag in known))

    async def _keep_tag_of(self, repository: Repository, tag: str, digest: Digest) -> None:
        found = await self._manifest(repository, quote(tag), method="HEAD")
        if found and found.status == 200 and text_of(found.headers, b"docker-content-digest") == digest:
            self.facts = replace(self.facts, tags=(*self.facts.tags, tag))

    async def _all_tags(self, repository: Repository) -> list[str]:
        """As many tags as are looked up, page by page."""
        tags: list[str] = []
        target = f"/v2/{repository.full_name}/tags/list?n={self.most_tags}"
        while target and len(tags) < self.most_tags:
            page = await self._ask(target, limit_bytes=_LARGEST_TAG_PAGE_BYTES)
            names = page.document().get("tags") if page and page.status == 200 else None
            if not page or not isinstance(names, list) or not names:
                break
            tags += [name for name in names if isinstance(name, str)]
            target = self._next_page(page)
        return list(dict.fromkeys(tags))[: self.most_tags]

    def _next_page(self, page: Found) -> str:
        link = _NEXT_PAGE.search(text_of(page.headers, b"link"))
        if not link:
            return ""
        target = relative_location(link[1].encode("latin-1"), self.upstream.url).decode("latin-1")
        return target if target.startswith("/") and not target.startswith("//") else ""

    # Asking

    async def _manifest(self, repository: Repository, reference: str, *, method: str = "GET") -> Found | None:
        return await self._ask(
            f"/v2/{repository.full_name}/manifests/{reference}",
            method=method,
            accept=MANIFEST_TYPES,
            limit_bytes=LARGEST_MANIFEST_BYTES,
        )

    async def _child(self, repository: Repository, digest: Digest) -> Found | None:
        if self._requests_left <= 0:
            return None
        self._requests_left -= 1
        found = await self._manifest(repository, digest)
        return found if found and found.status == 200 and found.content else None

    async def _config(
        self, repository: Repository, manifest: Manifest, limit_bytes: int = _LARGEST_CONFIG_BYTES
    ) -> dict[str, Any]:
        config = manifest.config
        if config is None or config.size_bytes > limit_bytes or self._requests_left <= 0:
            return {}
        self._requests_left -= 1
        target = f"/v2/{repository.full_name}/blobs/{config.digest}"
        found = await self._ask(target, limit_bytes=limit_bytes)
        return found.document() if found and found.status == 200 else {}

    async def _ask(
        self, target: str, *, limit_bytes: int, method: str = "GET", accept: Sequence[str] = ()
    ) -> Found | None:
        """An answer, or None when there was none."""
        call = self._question(target, method=method, accept=accept)
        try:
            async with self._slots:
                return await self._follow(call, limit_bytes)
        except (UpstreamUnavailable, *FAULTS) as exc:
            log.info("facts.not_found", error=type(exc).__name__)
            return None

    def _question(self, target: str, *, method: str = "GET", accept: Sequence[str] = ()) -> Call:
        headers = [pair for pair in self.headers if pair[0].lower() in _ASKED_WITH]
        headers.append((b"User-Agent", _USER_AGENT))
        if accept:
            headers.append((b"Accept", ", ".join(accept).encode()))
        return Call(method=method, target=target, headers=headers)

    async def _follow(self, call: Call, limit_bytes: int) -> Found:
        """Blobs may be kept elsewhere; a storage service must not see the client's credentials."""
        upstream = self.upstream
        for _ in range(_MOST_REDIRECTS):
            found = await _fetch(upstream, call, limit_bytes)
            location = text_of(found.headers, b"location")
            if found.status not in {301, 302, 303, 307, 308} or not location:
                return found
            target = relative_location(location.encode("latin-1"), upstream.url).decode("latin-1")
            if target.startswith("/"):
                call = Call(method=call.method, target=target, headers=call.headers)
            else:
                upstream, call = upstream.elsewhere(location, method=call.method)
        return await _fetch(upstream, call, limit_bytes)


async def _fetch(upstream: Upstream, call: Call, limit_bytes: int) -> Found:
    answer = await upstream.send(call)
    try:
        pieces, is_whole = await read_whole(answer.content, limit_bytes)
        return Found(answer.status, answer.raw_headers, b"".join(pieces) if is_whole else b"")
    finally:
        answer.close()


def _chart_of(document: dict[str, Any], *, size_bytes: int | None) -> Chart | None:
    """The chart that Chart.yaml, read as JSON, names."""
    name, version = document.get("name"), document.get("version")
    if not isinstance(name, str) or not isinstance(version, str):
        return None
    kind = "library" if document.get("type") == "library" else "application"
    return Chart(name=name, version=version, type=kind, size_bytes=size_bytes)


def _is_index(child: Descriptor) -> bool:
    return child.media_type in _INDEX_TYPES


def _parsed(body: Body) -> Manifest | None:
    try:
        return parse_manifest(body.content, body.content_type)
    except ManifestInvalid:
        return None
