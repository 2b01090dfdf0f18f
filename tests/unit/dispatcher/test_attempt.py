"""Headers of an attempt, and failures in words."""

import ssl
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from sidecar.delivery import TargetKey
from sidecar.dispatcher.attempt import reason_of, request_headers
from sidecar.dispatcher.prepared import PreparedTarget, make_tls_contexts, prepare
from sidecar.policy import Secret, Target
from tests.wire.delivery_bench import a_delivery

NOW = datetime(2026, 1, 2, 3, 4, 5, 999_999, tzinfo=UTC)
KEY = TargetKey(policy_id="prj/ci", index=0)


def headers(**more: Any) -> dict[str, str]:
    target = Target(address="http://ci.example/", **more)
    prepared = prepare(target, tls=make_tls_contexts(), environment={})
    assert isinstance(prepared, PreparedTarget)
    delivery = a_delivery(KEY, content_type="application/cloudevents+json", attempts=2)
    return request_headers(delivery, prepared, at=NOW)


def test_headers_without_a_secret_have_no_timestamp() -> None:
    assert set(headers()) == {
        "User-Agent",
        "Accept",
        "Accept-Encoding",
        "Content-Type",
        "webhook-id",
        "X-Sidecar-Event-Id",
        "X-Sidecar-Delivery-Id",
        "X-Sidecar-Attempt",
    }


def test_content_type_is_the_deliverys_and_attempts_are_counted() -> None:
    assert headers()["Content-Type"] == "application/cloudevents+json"
    assert headers()["X-Sidecar-Attempt"] == "3"


def test_timestamp_is_whole_seconds_of_the_attempt() -> None:
    assert headers(secret=Secret("whsec_c2VjcmV0"))["webhook-timestamp"] == str(int(NOW.timestamp()))


CONNECTION: Any = SimpleNamespace(host="s3cret.example", port=443, is_ssl=True, ssl=True)


@pytest.mark.parametrize(
    ("exc", "reason"),
    [
        (aiohttp.ClientConnectorError(CONNECTION, OSError(111, "Connection refused")), "connection refused"),
        (aiohttp.ServerDisconnectedError(), "the connection was closed before an answer came"),
        (aiohttp.ClientPayloadError("x"), "the answer is not valid HTTP"),
        (ConnectionResetError(104, "Connection reset by peer"), "connection reset by peer"),
        (
            aiohttp.ClientConnectorDNSError(CONNECTION, OSError(-2, "Name or service not known")),
            "the host name cannot be resolved: name or service not known",
        ),
        (
            aiohttp.ClientConnectorSSLError(CONNECTION, ssl.SSLError(1, "wrong version number")),
            "no TLS connection: wrong version number",
        ),
        (aiohttp.InvalidURL("http://h/s3cret"), "the address is not a canonical URL"),
        (aiohttp.ClientError("s3cret"), "ClientError"),
        (OSError(), "OSError"),
    ],
)
def test_reason(exc: Exception, reason: str) -> None:
    assert reason_of(exc).lower() == reason.lower()
