"""Which charts a chart repository has; the reconciler asks after a crash.

The answer is read from the repository's index, which lists each chart with the sha256 of its file and the time it was stored.
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
from sidecar.upstreams.client import UpstreamClient

_LARGEST_INDEX_BYTES: Final = 64 << 20
_LARGEST_CHART_BYTES: Final = 64 << 20
#: Between the time of an intent and that of the stored file: both are in whole seconds.
_TOLERANCE_S: Final = 10.0

Parse = Callable[
    [str, bytes | bytearray | Iterable[bytes], Mapping[str, Any]], Awaitable[dict[str, Any] | None]
]


@dataclass(frozen=True, slots=True)
class Unknown:
    """The chart repository gives no usable answer."""

    status: int  #: 200 for a body that cannot be read


@dataclass(frozen=True, slots=True)
class StoredCharts:
    """One chart repository, asked with credentials that may read it."""

    upstream: UpstreamClient
    routes: Routes
    parse: Parse
    auth: httpx.Auth

    async def find(
        self, tenant: str, sizes: Mapping[Digest, int], *, since: datetime
    ) -> Chart | Unknown | None:
        """The chart with one of these digests that was stored at that time or later; None when there is none.

        Raises httpx.HTTPError.
        """
        answer = await self._read(chart_api_path(tenant, routes=self.routes), _LARGEST_INDEX_BYTES)
        if answer.status_code != 200:
            return None if answer.status_code == 404 else Unknown(answer.status_code)
        wanted = {"digests": list(map(encoded_part, sizes))}
        read = await self.parse("chart-index", answer.content, wanted)
        if read is None:
            return Unknown(200)
        found = read["found"]
        if not found or _was_there_before(found["created"], since, answer.headers.get("Date", "")):
            return None
        size_bytes = sizes[Digest(f"sha256:{found['digest']}")]
        return Chart(
            name=found["name"], version=found["version"], type=found["type"], size_bytes=size_bytes or None
        )

    async def digest_of(self, tenant: str, file_name: str) -> Digest | Unknown | None:
        """sha256 of a stored file, None when there is none. Raises httpx.HTTPError."""
        url = self.upstream.url + chart_download_path(tenant, file_name, self.routes)
        async with self.upstream.session() as http, http.stream("GET", url, auth=self.auth) as response:
            if response.status_code != 200:
                return None if response.status_code == 404 else Unknown(response.status_code)
            seen, hashed = 0, sha256()
            async for chunk in response.aiter_raw():
                seen += len(chunk)
                hashed.update(chunk)
                if seen > _LARGEST_CHART_BYTES:
                    return Unknown(200)
            return Digest(f"sha256:{hashed.hexdigest()}")

    async def _read(self, path: str, limit_bytes: int) -> httpx.Response:
        """The response; its content is empty where it was larger than the limit."""
        content = bytearray()
        async with (
            self.upstream.session() as http,
            http.stream("GET", self.upstream.url + path, auth=self.auth) as response,
        ):
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > limit_bytes:
                    content.clear()
                    break
            # Other headers (Content-Encoding) would make httpx decode the content once more.
            headers = {"Date": response.headers.get("Date", "")}
            return httpx.Response(response.status_code, headers=headers, content=bytes(content))


def _was_there_before(created: str, since: datetime, answered_at: str) -> bool:
    """Whether a file is older than the request, measured by the upstream's clock, which may differ from ours."""
    try:
        age = parsedate_to_datetime(answered_at) - datetime.fromisoformat(created)
    except (TypeError, ValueError):
        return False
    return age.total_seconds() > (datetime.now(UTC) - since).total_seconds() + _TOLERANCE_S
