"""What a chart repository has, asked by this program itself after a crash.

It is asked for its index, which names a chart by the sha256 of its file and says since when it is there.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import Any, Final

import httpx

from sidecar.model.event import Chart
from sidecar.model.names import Digest, encoded_part
from sidecar.model.operation import Routes, chart_api_path, chart_download_path
from sidecar.upstreams.client import Place

_LARGEST_INDEX_BYTES: Final = 64 << 20
_LARGEST_CHART_BYTES: Final = 64 << 20
#: What may lie between a request that was noted and a file that is dated, both in whole seconds.
_TOLERANCE_S: Final = 10.0

Parse = Callable[
    [str, bytes | bytearray | Iterable[bytes], Mapping[str, Any]], Awaitable[dict[str, Any] | None]
]


@dataclass(frozen=True, slots=True)
class Untold:
    """The chart repository does not say."""

    status: int  #: 200 for an answer that is not understood


@dataclass(frozen=True, slots=True)
class StoredCharts:
    """One chart repository, asked by one who may read it."""

    place: Place
    routes: Routes
    parse: Parse
    auth: httpx.Auth

    async def find(
        self, tenant: str, sizes: Mapping[Digest, int], *, since: datetime
    ) -> Chart | Untold | None:
        """The chart with one of these digests that was stored at that time or later; None when there is none.

        Raises httpx.HTTPError.
        """
        answer = await self._read(chart_api_path(tenant, routes=self.routes), _LARGEST_INDEX_BYTES)
        if answer.status_code != 200:
            return None if answer.status_code == 404 else Untold(answer.status_code)
        wanted = {"digests": list(map(encoded_part, sizes))}
        read = await self.parse("chart-index", answer.content, wanted)
        if read is None:
            return Untold(200)
        found = read["found"]
        if not found or _was_there_before(found["created"], since, answer.headers.get("Date", "")):
            return None
        size_bytes = sizes[Digest(f"sha256:{found['digest']}")]
        return Chart(
            name=found["name"], version=found["version"], type=found["type"], size_bytes=size_bytes or None
        )

    async def digest_of(self, tenant: str, file_name: str) -> Digest | Untold | None:
        """sha256 of a stored file, None when there is none. Raises httpx.HTTPError."""
        url = self.place.url + chart_download_path(tenant, file_name, self.routes)
        async with self.place.client() as http, http.stream("GET", url, auth=self.auth) as response:
            if response.status_code != 200:
                return None if response.status_code == 404 else Untold(response.status_code)
            seen, hashed = 0, sha256()
            async for chunk in response.aiter_raw():
                seen += len(chunk)
                hashed.update(chunk)
                if seen > _LARGEST_CHART_BYTES:
                    return Untold(200)
            return Digest(f"sha256:{hashed.hexdigest()}")

    async def _read(self, path: str, limit_bytes: int) -> httpx.Response:
        """An answer, without content where that was larger than the limit."""
        content = bytearray()
        async with (
            self.place.client() as http,
            http.stream("GET", self.place.url + path, auth=self.auth) as response,
        ):
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > limit_bytes:
                    content.clear()
                    break
            # Without what would make httpx decode it once more.
            headers = {"Date": response.headers.get("Date", "")}
            return httpx.Response(response.status_code, headers=headers, content=bytes(content))


def _was_there_before(created: str, since: datetime, answered_at: str) -> bool:
    """Whether a file is older than the request; by the upstream's clock, which may be another than ours."""
    try:
        age = parsedate_to_datetime(answered_at) - datetime.fromisoformat(created)
    except (TypeError, ValueError):
        return False
    return age.total_seconds() > (datetime.now(UTC) - since).total_seconds() + _TOLERANCE_S
