from aiohttp.http import HttpVersion10

from sidecar.proxy.arrival import arrival_of, refused_by
from sidecar.proxy.budget import Budget
from sidecar.proxy.heads import HeadRefused, parse_head


def test_arrival_says_what_the_head_says() -> None:
    head = parse_head(b"PUT /v2/%e2 HTTP/1.0\r\nContent-Length: 7\r\nX: y\r\n\r\n")
    arrival = arrival_of(head, Budget().share())
    assert (arrival.method, arrival.path, arrival.version) == ("PUT", "/v2/%e2", HttpVersion10)
    assert arrival.raw_headers == ((b"Content-Length", b"7"), (b"X", b"y"))
    assert dict(arrival.headers) == {"Content-Length": "7"}
    assert (arrival.should_close, arrival.chunked, arrival.fault) == (True, False, None)


def test_chunked_arrival_has_no_length() -> None:
    head = parse_head(b"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
    arrival = arrival_of(head, Budget().share())
    assert (arrival.chunked, dict(arrival.headers), arrival.should_close) == (True, {}, False)


def test_refusal_keeps_status_and_words() -> None:
    refused = refused_by(HeadRefused("no", status=431))
    assert (refused.status, refused.message) == (431, "no")
