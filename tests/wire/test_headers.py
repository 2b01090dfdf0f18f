"""Headers pass as they are, in both directions, but for those that are about one connection."""

from tests.support.raw_upstream import OK, RawUpstream, answering
from tests.wire.conftest import StartProxy


async def test_request_head_reaches_the_upstream_as_the_client_wrote_it(start_proxy: StartProxy) -> None:
    async with RawUpstream(answering()) as upstream:
        proxy = await start_proxy(upstream.url)
        await proxy.ask(
            b"GET /v2/ HTTP/1.1\r\nHost: registry.example.com\r\nAccept: a/b\r\nx-lower: 1\r\nAccept: c/d\r\n"
            b"Connection: close, X-Mine\r\nX-Mine: 1\r\nTE: trailers\r\nAuthorization: Basic Og==\r\n\r\n"
        )
        head = bytes(upstream.connections[0].received)
    assert head == (
        b"GET /v2/ HTTP/1.1\r\nHost: registry.example.com\r\nAccept: a/b\r\nx-lower: 1\r\nAccept: c/d\r\n"
        b"Authorization: Basic Og==\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n"
        b"X-Forwarded-Host: registry.example.com\r\n\r\n"
    )


async def test_answer_head_reaches_the_client_as_the_upstream_wrote_it(start_proxy: StartProxy) -> None:
    answer = (
        b"HTTP/1.1 299 Odd But \xe9\r\nwarning: 1\r\nLink: </a>\r\nLink: </b>\r\nX-Latin: caf\xe9\r\n"
        b"Keep-Alive: timeout=5\r\nContent-Length: 2\r\n\r\nok"
    )
    async with RawUpstream(answering(answer)) as upstream:
        proxy = await start_proxy(upstream.url)
        received = await proxy.ask(b"GET /v2/ HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert received == (
        b"HTTP/1.1 299 Odd But \xe9\r\nwarning: 1\r\nLink: </a>\r\nLink: </b>\r\nX-Latin: caf\xe9\r\n"
        b"Content-Length: 2\r\nConnection: close\r\n\r\nok"
    )


async def test_connection_close_of_a_client_does_not_close_the_pool(start_proxy: StartProxy) -> None:
    async with RawUpstream(answering(OK)) as upstream:
        proxy = await start_proxy(upstream.url)
        for _ in range(3):
            await proxy.ask(b"GET /v2/ HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        assert len(upstream.connections) == 1
        assert b"close" not in upstream.received


async def test_what_an_untrusted_client_says_about_itself_is_replaced(start_proxy: StartProxy) -> None:
    async with RawUpstream(answering()) as upstream:
        proxy = await start_proxy(upstream.url, trusted_proxies=())
        await proxy.ask(
            b"GET /v2/ HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1.1.1.1\r\nx-forwarded-for: 2.2.2.2\r\n"
            b"X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nForwarded: for=3.3.3.3\r\n"
            b"Connection: close\r\n\r\n"
        )
        head = upstream.received
    assert head == (
        b"GET /v2/ HTTP/1.1\r\nHost: h\r\nForwarded: for=3.3.3.3\r\nX-Forwarded-For: 127.0.0.1\r\n"
        b"X-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\n\r\n"
    )


async def test_what_a_trusted_outer_proxy_says_is_kept(start_proxy: StartProxy) -> None:
    async with RawUpstream(answering()) as upstream:
        proxy = await start_proxy(upstream.url)
        await proxy.ask(
            b"GET /v2/ HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\n"
            b"Connection: close\r\n\r\n"
        )
        head = upstream.received
    assert head == (
        b"GET /v2/ HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\n"
        b"X-Forwarded-Host: h\r\n\r\n"
    )


async def test_a_challenge_and_a_long_token_pass(start_proxy: StartProxy) -> None:
    challenge = b'Www-Authenticate: Bearer realm="http://10.0.0.5/token",service="s",scope="a:b:pull,push"'
    token = b"Authorization: Bearer " + b"x" * 30_000
    async with RawUpstream(
        answering(b"HTTP/1.1 401 Unauthorized\r\n" + challenge + b"\r\nContent-Length: 0\r\n\r\n")
    ) as upstream:
        proxy = await start_proxy(upstream.url)
        answer = await proxy.ask(
            b"GET /v2/ HTTP/1.1\r\nHost: h\r\nConnection: close\r\n" + token + b"\r\n\r\n"
        )
        assert token in upstream.received
    assert challenge in answer


async def test_values_of_any_bytes_pass_both_ways(start_proxy: StartProxy) -> None:
    every_byte = bytes({*range(33, 256)} - {127})
    answer = b"HTTP/1.1 200 Tr\xe8s bien\r\nX-B: " + every_byte + b"\r\nContent-Length: 2\r\n\r\nok"
    async with RawUpstream(answering(answer)) as upstream:
        proxy = await start_proxy(upstream.url)
        for method in (b"GET", b"PUT"):
            request = method + b" /v2/ HTTP/1.1\r\nHost: h\r\nX-A: " + every_byte
            relayed = await proxy.ask(request + b"\r\nConnection: close\r\n\r\n")
            assert b"\r\nX-A: " + every_byte + b"\r\n" in upstream.connections[-1].received
            assert relayed.startswith(b"HTTP/1.1 200 Tr\xe8s bien\r\nX-B: " + every_byte + b"\r\n")
