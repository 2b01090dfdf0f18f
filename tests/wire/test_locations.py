"""A Location must not lead around the sidecar; one that leads elsewhere is none of its business."""

import pytest

from tests.support.raw_upstream import RawConnection, RawUpstream
from tests.wire.conftest import StartProxy

STATE = "/v2/prj/app/blobs/uploads/1?_state=a%2Bb%3D%3D"


@pytest.mark.parametrize(
    ("location", "relayed"),
    [
        ("http://{upstream}" + STATE, STATE),
        ("https://{upstream}" + STATE, STATE),
        ("http://{upstream}", "/"),
        ("http://{upstream}?a=b", "/?a=b"),
        ("http://{upstream}//x", "/.//x"),
        (STATE, STATE),
        ("x/y", "x/y"),
        ("//{upstream}/x", "/x"),
        ("//s3.example.com/x", "//s3.example.com/x"),
        ("http://registry.example.com" + STATE, "http://registry.example.com" + STATE),
        (
            "https://s3.example.com/b?X-Amz-Signature=%2F%3d",
            "https://s3.example.com/b?X-Amz-Signature=%2F%3d",
        ),
        ("http://[bad", "http://[bad"),
    ],
)
@pytest.mark.parametrize("status", ["202 Accepted", "307 Temporary Redirect"])
async def test_location(start_proxy: StartProxy, location: str, relayed: str, status: str) -> None:
    async def script(connection: RawConnection) -> None:
        await connection.read_head()
        sent = location.format(upstream=upstream.host)
        await connection.send(f"HTTP/1.1 {status}\r\nLocation: {sent}\r\nContent-Length: 0\r\n\r\n".encode())

    async with RawUpstream(script) as upstream:
        proxy = await start_proxy(upstream.url)
        request = b"POST /v2/prj/app/blobs/uploads/ HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        answer = (await proxy.ask(request)).decode()
        assert f"\r\nLocation: {relayed.format(upstream=upstream.host)}\r\n" in answer
        assert len(upstream.connections) == 1  # a redirect is the client's to follow
