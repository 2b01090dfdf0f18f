"""Asking an upstream: its certificate is verified by the bundle that is configured, or the system's."""

from pathlib import Path

import httpx
import pytest

from sidecar.place import Place
from tests.support.receiver import Answer, Receiver


async def ask(place: Place) -> int:
    async with place.client() as http:
        return (await http.get(f"{place.url}/v2/")).status_code


async def test_a_certificate_is_verified_by_the_bundle(tmp_path: Path) -> None:
    with Receiver(tls_in=tmp_path) as upstream:
        assert upstream.certificate
        assert await ask(Place(url=upstream.url, ca_file=upstream.certificate.path)) == 200
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await ask(Place(url=upstream.url))


async def test_redirects_are_answers() -> None:
    with Receiver(lambda _: Answer(status=307, headers={"Location": "http://127.0.0.1:9/"})) as upstream:
        assert await ask(Place(url=upstream.url)) == 307
