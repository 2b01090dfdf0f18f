"""Headers of an attempt."""

from datetime import UTC, datetime
from typing import Any

from sidecar.dispatcher.attempt import request_headers
from sidecar.dispatcher.request import PreparedTarget, make_tls_contexts, prepare
from sidecar.model.delivery import TargetKey
from sidecar.model.secrets import Secret
from sidecar.policies.target import Target
from tests.wire.delivery_bench import a_delivery

NOW = datetime(2026, 1, 2, 3, 4, 5, 999_999, tzinfo=UTC)
KEY = TargetKey(policy_id="prj/ci", target_id="0")


def headers(**more: Any) -> dict[str, str]:
    target = Target(address="http://ci.example/", **more)
    prepared = prepare(target, tls=make_tls_contexts(), environment={})
    assert isinstance(prepared, PreparedTarget)
    delivery = a_delivery(KEY, content_type="application/cloudevents+json", attempts=2)
    return request_headers(delivery, prepared, at=NOW)


def test_headers_without_a_secret_have_no_timestamp() -> None:
    assert set(headers()) == {
        "Host",
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
