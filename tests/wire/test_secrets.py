"""No credential is kept or logged, whatever goes wrong."""

import base64

import pytest

from tests.support.process import free_port
from tests.support.raw_upstream import RawConnection, RawUpstream, answering
from tests.wire.conftest import Noted, StartProxy

PLANTED = "pl4nted"
BASIC = base64.b64encode(f"alice:{PLANTED}".encode()).decode()
HEADERS = f"Host: h\r\nAuthorization: Basic {BASIC}\r\nCookie: a={PLANTED}\r\nConnection: close\r\n".encode()
QUERY = f"?_state={PLANTED}".encode()
BAD = b"GET /v2/" + QUERY + b" HTTP/1.1\r\nAuthorization: Basic " + BASIC.encode() + b"\x01\r\n" + HEADERS


async def breaking_off(connection: RawConnection) -> None:
    await connection.read_head()
    await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")


@pytest.mark.parametrize(
    "request_head",
    [
        b"GET /v2/prj/app/manifests/v1" + QUERY + b" HTTP/1.1\r\n" + HEADERS + b"\r\n",
        b"DELETE /v2/prj/app/manifests/v1" + QUERY + b" HTTP/1.1\r\n" + HEADERS + b"\r\n",
        b"GET /v2/" + QUERY + b" HTTP/1.1\r\nX: \xff\r\n" + HEADERS + b"\r\n",
        BAD + b"\r\n",
    ],
)
@pytest.mark.parametrize("upstream_is", ["there", "breaking off", "gone"])
async def test_planted_secret_is_in_no_log_and_no_exchange(  # noqa: PLR0917
    start_proxy: StartProxy,
    noted: Noted,
    request_head: bytes,
    upstream_is: str,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with RawUpstream(breaking_off if upstream_is == "breaking off" else answering()) as upstream:
        url = f"http://127.0.0.1:{free_port()}" if upstream_is == "gone" else upstream.url
        proxy = await start_proxy(url)
        await proxy.ask(request_head)
        await proxy.proxy.close(1)
    logged = "".join(capsys.readouterr()) + caplog.text
    told = repr(noted.exchanges) + repr(noted.intents)
    for secret in (PLANTED, BASIC):
        assert secret not in logged
        assert secret not in told
    if request_head.startswith(b"DELETE"):
        assert "alice" in told
