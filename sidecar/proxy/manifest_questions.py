"""Questions to a registry about manifests; how many there may be for one exchange, and how large the answers."""

from dataclasses import dataclass
from typing import Final

from sidecar.model.exchange import Body
from sidecar.model.manifest import MANIFEST_TYPES, Manifest
from sidecar.model.names import Digest, Repository
from sidecar.proxy.facts import Found, LookUps
from sidecar.proxy.manifests import read_manifest

_MOST_REQUESTS: Final = 100  # for the children of one index, however deep
_LARGEST_CHILD_BYTES: Final = 256 * 1024
_LARGEST_CONFIG_BYTES: Final = 64 * 1024
#: What a registry has of another type is there, too.
_ACCEPT: Final = (*MANIFEST_TYPES, "*/*")


@dataclass(slots=True, kw_only=True)
class ManifestQuestions(LookUps):
    """What the look-ups of one exchange ask."""

    requests_left: int = _MOST_REQUESTS  #: for children and configs

    async def read(self, body: Body) -> Manifest | None:
        return await read_manifest(body, self.hooks.parse, asked_by=self.asked_by)

    async def manifest_at(
        self, repository: Repository, reference: str, *, method: str = "GET", limit_bytes: int = 0
    ) -> Found | None:
        target = f"/v2/{repository.full_name}/manifests/{reference}"
        return await self.ask(target, method=method, accept=_ACCEPT, limit_bytes=limit_bytes)

    async def get(
        self, repository: Repository, digest: Digest, limit_bytes: int
    ) -> tuple[Found | None, Manifest | None]:
        """The answer, and the manifest where it was read."""
        if not self.share.take(limit_bytes):
            return None, None
        try:
            found = await self.manifest_at(repository, digest, limit_bytes=limit_bytes)
            is_whole = found is not None and found.status == 200 and bool(found.content)
            return found, await self.read(found.body) if found and is_whole else None
        finally:
            self.share.release(limit_bytes)

    async def child(self, repository: Repository, digest: Digest) -> Manifest | None:
        if self.requests_left <= 0:
            return None
        self.requests_left -= 1
        _, manifest = await self.get(repository, digest, _LARGEST_CHILD_BYTES)
        return manifest

    async def config_of(self, repository: Repository, manifest: Manifest) -> Found | None:
        config = manifest.config
        if config is None or config.size_bytes > _LARGEST_CONFIG_BYTES or self.requests_left <= 0:
            return None
        self.requests_left -= 1
        found = await self.ask(
            f"/v2/{repository.full_name}/blobs/{config.digest}", limit_bytes=_LARGEST_CONFIG_BYTES
        )
        return found if found and found.status == 200 else None
