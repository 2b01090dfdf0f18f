"""What only the registry knows of a manifest: what an index does not say of its children, what a delete takes along.

After a PUT was accepted: platforms of children whose descriptors name none, the chart that an artifact is.
Before a DELETE is forwarded: whether it is there, its size, its tags. What is remembered is not asked for
again, and what is remembered of tags is asked first: a slow registry, or one with very many tags, then cuts
off what is least likely.
"""

import asyncio
from dataclasses import dataclass, replace
from typing import Final

from sidecar.model.event import Chart
from sidecar.model.exchange import Body
from sidecar.model.manifest import INDEX_TYPES, Descriptor, Manifest, parse_platform
from sidecar.model.names import Digest, Reference, Repository, Tag
from sidecar.model.operation import DeleteManifest
from sidecar.proxy.facts import Found
from sidecar.proxy.manifest_questions import ManifestQuestions
from sidecar.proxy.tag_look_ups import TagLookUps

_MOST_CHILDREN: Final = 50
_MOST_LEVELS: Final = 3
_LARGEST_LOOKED_UP_BYTES: Final = 1024 * 1024
_CHART_LAYER_TYPES: Final = ("application/vnd.cncf.helm.chart.content.v1.tar+gzip", "application/tar+gzip")


@dataclass(slots=True, kw_only=True)
class ManifestLookUps(ManifestQuestions):
    """The look-ups of one exchange about a manifest."""

    manifest: Manifest | None = None  #: as `after_put` has read it

    # What was pushed or fetched

    async def after_put(self, repository: Repository, body: Body) -> None:
        """Read what was accepted, and what it leaves unsaid."""
        self.manifest = manifest = await self.read(body)
        if manifest is None:
            return
        if manifest.is_index:
            await self._name_platforms(repository, manifest, level=1)
        else:
            await self._name_chart(repository, manifest)

    async def after_get(self, repository: Repository, body: Body) -> None:
        self.manifest = await self.read(body)
        if self.manifest:
            await self._name_chart(repository, self.manifest)

    async def _name_chart(self, repository: Repository, manifest: Manifest) -> None:
        """Chart.yaml of a chart kept as an OCI artifact is its config blob, as JSON."""
        if not manifest.is_chart or not self.hooks.wants_oci_chart(repository):
            return
        found = await self.config_of(repository, manifest)
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
            for child in unnamed[: self.requests_left]:
                group.create_task(self._name_platform(repository, child, level=level))

    async def _name_platform(self, repository: Repository, child: Descriptor, *, level: int) -> None:
        manifest = await self.child(repository, child.digest)
        if manifest is None:
            return
        if manifest.is_index:
            self._keep_child(child.digest, manifest)
            if level < _MOST_LEVELS:
                await self._name_platforms(repository, manifest, level=level + 1)
            return
        found = await self.config_of(repository, manifest)
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
        found = await self.manifest_at(repository, str(Reference(tag=tag)), method="HEAD")
        if not self._exists(found):
            return
        assert found is not None
        self.facts = replace(self.facts, tags=(tag,), digest=found.digest)
        if found.digest and not await self._is_known(repository, found.digest):
            await self._fetch(repository, found.digest)

    async def _before_delete_of(self, repository: Repository, digest: Digest) -> None:
        recalled = await self.hooks.recall(repository, digest)
        if recalled.is_whole and not self.hooks.wants_oci_chart(repository):
            found = await self.manifest_at(repository, digest, method="HEAD")
            children = None
        else:
            found, manifest = await self.get(repository, digest, _LARGEST_LOOKED_UP_BYTES)
            self.facts = replace(self.facts, manifest=manifest)
            children = manifest
        if not self._exists(found):
            return
        tags = TagLookUps(self, repository, digest, recalled.tags)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(tags.ask())
                if children:
                    group.create_task(self._complete(repository, children))
        finally:  # also when the time is over
            self.facts = replace(self.facts, tags=tags.naming, other_tags=tags.others)

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
        _, manifest = await self.get(repository, digest, _LARGEST_LOOKED_UP_BYTES)
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
        manifest = await self.child(repository, digest)
        if manifest is None:
            return
        self._keep_child(digest, manifest)
        if manifest.is_index and level < _MOST_LEVELS:
            await self._fetch_children(repository, manifest, level=level + 1)

    def _keep_child(self, digest: Digest, manifest: Manifest) -> None:
        self.facts = replace(self.facts, children={**self.facts.children, digest: manifest})


def _is_index(child: Descriptor) -> bool:
    return child.media_type in INDEX_TYPES
