"""What only the registry knows of a manifest: what an index does not say of its children, what a delete takes along.

After a PUT was accepted: platforms of children whose descriptors name none, the chart that an artifact is.
Before a DELETE is forwarded: whether it is there, its size, its tags. What is remembered is not asked for
again, and what is remembered of tags is asked first: a slow registry, or one with very many tags, then cuts
off what is least likely.
"""

import asyncio
import re
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import quote

from sidecar.model.event import Chart
from sidecar.model.exchange import Body
from sidecar.model.manifest import INDEX_TYPES, MANIFEST_TYPES, Descriptor, Manifest, parse_platform
from sidecar.model.names import Digest, Reference, Repository, Tag
from sidecar.model.operation import DeleteManifest
from sidecar.proxy.facts import Found, LookUps
from sidecar.proxy.headers import relative_location, text_of
from sidecar.proxy.manifests import read_manifest

_MOST_REQUESTS: Final = 100  # for the children of one index, however deep
_MOST_CHILDREN: Final = 50
_MOST_LEVELS: Final = 3
_LARGEST_LOOKED_UP_BYTES: Final = 1024 * 1024
_LARGEST_CHILD_BYTES: Final = 256 * 1024
_LARGEST_CONFIG_BYTES: Final = 64 * 1024
_LARGEST_TAG_PAGE_BYTES: Final = 512 * 1024
_CHART_LAYER_TYPES: Final = ("application/vnd.cncf.helm.chart.content.v1.tar+gzip", "application/tar+gzip")
#: What a registry has of another type is there, too.
_ACCEPT: Final = (*MANIFEST_TYPES, "*/*")
_NEXT_PAGE = re.compile(r'<([^>]*)>\s*;[^,]*rel="?next"?')


@dataclass(slots=True, kw_only=True)
class ManifestLookUps(LookUps):
    """The look-ups of one exchange about a manifest."""

    manifest: Manifest | None = None  #: as `after_put` has read it
    _tags: dict[str, bool] = field(
        default_factory=dict
    )  #: whether it names the digest, of those that answered
    _order: dict[str, None] = field(default_factory=dict)  #: of tags
    _requests_left: int = _MOST_REQUESTS

    # What was pushed or fetched

    async def after_put(self, repository: Repository, body: Body) -> None:
        """Read what was accepted, and what it leaves unsaid."""
        self.manifest = manifest = await self._read(body)
        if manifest is None:
            return
        if manifest.is_index:
            await self._name_platforms(repository, manifest, level=1)
        else:
            await self._name_chart(repository, manifest)

    async def after_get(self, repository: Repository, body: Body) -> None:
        self.manifest = await self._read(body)
        if self.manifest:
            await self._name_chart(repository, self.manifest)

    async def _name_chart(self, repository: Repository, manifest: Manifest) -> None:
        """Chart.yaml of a chart kept as an OCI artifact is its config blob, as JSON."""
        if not manifest.is_chart or not self.hooks.wants_oci_chart(repository):
            return
        found = await self._config(repository, manifest)
        document = found.document() if found else {}
        name, version = document.get("name"), document.get("version")
        if isinstance(name, str) and isinstance(version, str):
            kind = "library" if document.get("type") == "library" else "application"
            layers = [layer for layer in manifest.layers if layer.media_type in _CHART_LAYER_TYPES]
            size_bytes = layers[0].size_bytes if layers else None
            chart = Chart(name=name, version=version, type=kind, size_bytes=size_bytes)
            self.facts = replace(self.facts, chart=chart)

    async def _name_platforms(self, repository: Repository, index: Manifest, *, level: int) -> None:
        """Platforms of children whose descriptors name none; manifests of indexes within the index."""
        unnamed = [c for c in index.children if not c.is_attestation and (not c.platform or _is_index(c))]
        async with asyncio.TaskGroup() as group:
            for child in unnamed[: self._requests_left]:
                group.create_task(self._name_platform(repository, child, level=level))

    async def _name_platform(self, repository: Repository, child: Descriptor, *, level: int) -> None:
        manifest = await self._child(repository, child.digest)
        if manifest is None:
            return
        if manifest.is_index:
            self._keep_child(child.digest, manifest)
            if level < _MOST_LEVELS:
                await self._name_platforms(repository, manifest, level=level + 1)
            return
        found = await self._config(repository, manifest)
        if found and (name := parse_platform(found.content)):
            self.facts = replace(self.facts, platforms={**self.facts.platforms, child.digest: name})

    # What is to be deleted

    async def before_delete(self, operation: DeleteManifest) -> None:
        repository, reference = operation.repository, operation.reference
        if reference.digest:
            self.facts = replace(self.facts, digest=reference.digest)
            await self._before_delete_of(repository, reference.digest)
        elif reference.tag:
            await self._before_untagging(repository, reference.tag)

    async def _before_untagging(self, repository: Repository, tag: Tag) -> None:
        found = await self._manifest(repository, str(Reference(tag=tag)), method="HEAD")
        if not self._exists(found):
            return
        assert found is not None
        self.facts = replace(self.facts, tags=(tag,), digest=found.digest)
        if found.digest and not await self._is_known(repository, found.digest):
            await self._fetch(repository, found.digest)

    async def _before_delete_of(self, repository: Repository, digest: Digest) -> None:
        recalled = await self.hooks.recall(repository, digest)
        self._order = dict.fromkeys(recalled.tags)
        if recalled.is_whole and not self.hooks.wants_oci_chart(repository):
            found = await self._manifest(repository, digest, method="HEAD")
            children = None
        else:
            found, manifest = await self._get(repository, digest, _LARGEST_LOOKED_UP_BYTES)
            self.facts = replace(self.facts, manifest=manifest)
            children = manifest
        if not self._exists(found):
            return
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._ask_tags(repository, digest, recalled.tags[: self.most_tags]))
                if children:
                    group.create_task(self._complete(repository, children))
        finally:  # also when the time is over
            self._keep_tags()

    def _exists(self, found: Found | None) -> bool:
        if found and found.status in {200, 404}:
            self.facts = replace(self.facts, existed=found.status == 200)
        return bool(found and found.status == 200)

    async def _is_known(self, repository: Repository, digest: Digest) -> bool:
        """Whether nothing of a manifest needs to be fetched: it would count as a pull in some registries."""
        if self.hooks.wants_oci_chart(repository):
            return False
        return (await self.hooks.recall(repository, digest)).is_whole

    async def _fetch(self, repository: Repository, digest: Digest) -> None:
        _, manifest = await self._get(repository, digest, _LARGEST_LOOKED_UP_BYTES)
        self.facts = replace(self.facts, manifest=manifest)
        if manifest:
            await self._complete(repository, manifest)

    async def _complete(self, repository: Repository, manifest: Manifest) -> None:
        """The sizes of an index's children, the chart that an artifact is."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._fetch_children(repository, manifest))
            group.create_task(self._name_chart(repository, manifest))

    async def _fetch_children(self, repository: Repository, index: Manifest, *, level: int = 1) -> None:
        async with asyncio.TaskGroup() as group:
            for child in index.children[:_MOST_CHILDREN]:
                group.create_task(self._fetch_child(repository, child.digest, level=level))

    async def _fetch_child(self, repository: Repository, digest: Digest, *, level: int) -> None:
        manifest = await self._child(repository, digest)
        if manifest is None:
            return
        self._keep_child(digest, manifest)
        if manifest.is_index and level < _MOST_LEVELS:
            await self._fetch_children(repository, manifest, level=level + 1)

    def _keep_child(self, digest: Digest, manifest: Manifest) -> None:
        self.facts = replace(self.facts, children={**self.facts.children, digest: manifest})

    # Tags

    async def _ask_tags(self, repository: Repository, digest: Digest, remembered: tuple[str, ...]) -> None:
        """What the remembered tags name, then what the others do, as many as are looked up."""
        async with asyncio.TaskGroup() as group:
            listing = group.create_task(self._all_tags(repository))
            for tag in remembered:
                group.create_task(self._ask_tag(repository, tag, digest))
        others = [tag for tag in listing.result() if tag not in self._order]
        self._order |= dict.fromkeys(others)
        async with asyncio.TaskGroup() as group:
            for tag in others[: self.most_tags - len(remembered)]:
                group.create_task(self._ask_tag(repository, tag, digest))

    async def _ask_tag(self, repository: Repository, tag: str, digest: Digest) -> None:
        found = await self._manifest(repository, quote(tag), method="HEAD")
        named = found.digest if found and found.status == 200 else None
        if found and found.status == 404:
            self._tags[tag] = False
        elif named and _algorithm(named) == _algorithm(digest):  # one content has a digest in each
            self._tags[tag] = named == digest

    def _keep_tags(self) -> None:
        """In the order in which they were asked for, whichever answer came first."""
        naming = tuple(tag for tag in self._order if self._tags.get(tag))
        others = frozenset(tag for tag, is_named in self._tags.items() if not is_named)
        self.facts = replace(self.facts, tags=naming, other_tags=others)

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

    async def _read(self, body: Body) -> Manifest | None:
        return await read_manifest(body, self.hooks.parse, asked_by=self.asked_by)

    async def _manifest(
        self, repository: Repository, reference: str, *, method: str = "GET", limit_bytes: int = 0
    ) -> Found | None:
        target = f"/v2/{repository.full_name}/manifests/{reference}"
        return await self._ask(target, method=method, accept=_ACCEPT, limit_bytes=limit_bytes)

    async def _get(
        self, repository: Repository, digest: Digest, limit_bytes: int
    ) -> tuple[Found | None, Manifest | None]:
        """The answer, and the manifest where it was read."""
        if not self.share.take(limit_bytes):
            return None, None
        try:
            found = await self._manifest(repository, digest, limit_bytes=limit_bytes)
            is_whole = found is not None and found.status == 200 and bool(found.content)
            return found, await self._read(found.body) if found and is_whole else None
        finally:
            self.share.release(limit_bytes)

    async def _child(self, repository: Repository, digest: Digest) -> Manifest | None:
        if self._requests_left <= 0:
            return None
        self._requests_left -= 1
        _, manifest = await self._get(repository, digest, _LARGEST_CHILD_BYTES)
        return manifest

    async def _config(self, repository: Repository, manifest: Manifest) -> Found | None:
        config = manifest.config
        if config is None or config.size_bytes > _LARGEST_CONFIG_BYTES or self._requests_left <= 0:
            return None
        self._requests_left -= 1
        found = await self._ask(
            f"/v2/{repository.full_name}/blobs/{config.digest}", limit_bytes=_LARGEST_CONFIG_BYTES
        )
        return found if found and found.status == 200 else None


def _is_index(child: Descriptor) -> bool:
    return child.media_type in INDEX_TYPES


def _algorithm(digest: Digest) -> str:
    return digest.partition(":")[0]
