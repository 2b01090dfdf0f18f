"""Signatures that the public library accepts."""

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from sidecar.dispatcher.signing import sign, sign_body
from sidecar.policies.signing_keys import signing_keys

OLD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEW = "whsec_" + base64.b64encode(b"n" * 32).decode()


def headers_of(body: bytes, secret: str, *, timestamp: int | None = None) -> dict[str, str]:
    timestamp = int(time.time()) if timestamp is None else timestamp
    signature = sign(body, keys=signing_keys(secret), event_id="evt", timestamp=timestamp)
    return {"webhook-id": "evt", "webhook-timestamp": str(timestamp), "webhook-signature": signature}


def test_signature_equals_the_example_of_the_specification() -> None:
    # standard-webhooks 1.0.0 and the Svix documentation print this example.
    signature = sign(
        b'{"test": 2432232314}',
        keys=signing_keys(OLD),
        event_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(st.text(max_size=200))
def test_the_public_library_verifies_any_text(text: str) -> None:
    body = text.encode()
    Webhook(OLD).verify(body, headers_of(body, OLD), json_parse=False)


def test_another_body_is_refused_by_the_public_library() -> None:
    with pytest.raises(WebhookVerificationError):
        Webhook(OLD).verify(b"{ }", headers_of(b"{}", OLD))


def test_bytes_that_are_no_text_can_be_signed() -> None:
    assert sign(b"\xff\xfe", keys=signing_keys(OLD), event_id="evt", timestamp=1).startswith("v1,")


@pytest.mark.parametrize("receiver_has", [OLD, NEW])
def test_two_secrets_let_receivers_with_either_verify(receiver_has: str) -> None:
    Webhook(receiver_has).verify(b"{}", headers_of(b"{}", f"{NEW} {OLD}"))


def test_the_signature_of_the_body_alone_is_that_of_rfc_4231() -> None:
    # RFC 4231, test case 2.
    assert sign_body(b"what do ya want for nothing?", secret="Jefe", prefix="sha256=") == (
        "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    )
