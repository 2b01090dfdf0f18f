"""Whether an upstream can be reached: any answer will do."""

from pathlib import Path

from sidecar.upstreams.client import UpstreamClient, probe
from tests.support.process import free_port
from tests.support.receiver import Answer, Receiver


async def test_any_answer_is_reachable() -> None:
    for status in (200, 401, 503):
        with Receiver(lambda _, status=status: Answer(status=status)) as upstream:  # type: ignore[misc]
            assert await probe(UpstreamClient(url=upstream.url)) == ""
            assert [request.path for request in upstream.requests] == ["/v2/"]


async def test_nobody_listening_is_said() -> None:
    assert (
        await probe(UpstreamClient(url=f"http://127.0.0.1:{free_port()}")) == "does not answer: ConnectError"
    )


async def test_a_certificate_is_verified_by_the_bundle(tmp_path: Path) -> None:
    with Receiver(tls_in=tmp_path) as upstream:
        assert upstream.certificate
        assert await probe(UpstreamClient(url=upstream.url, ca_file=upstream.certificate.path)) == ""
        assert await probe(UpstreamClient(url=upstream.url)) == "does not answer: ConnectError"
