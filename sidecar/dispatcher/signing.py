"""Standard Webhooks signatures, version 1 (symmetric), over bytes; and that of the body alone.

Pure: the secret comes in as text, the timestamp as a number. The public Python library signs text only
and gives two signatures to one instant written in two time zones, so it is used to verify, in tests.

Sources: standard-webhooks specification 1.0.0, "Signature scheme" and "Verifying webhook authenticity"; of
the body alone: Flux's generic-hmac receivers (X-Signature) and GitHub's webhooks (X-Hub-Signature-256).
"""

import base64
import hashlib
import hmac


def sign(body: bytes, *, keys: tuple[bytes, ...], event_id: str, timestamp: int) -> str:
    """The value of webhook-signature: one signature per key, separated by spaces.

    timestamp      Unix seconds of this attempt, as in webhook-timestamp
    """
    signed = b"%s.%d.%s" % (event_id.encode(), timestamp, body)
    return " ".join(_signature(key, signed) for key in keys)


def _signature(key: bytes, signed: bytes) -> str:
    # hmac.digest lets go of the interpreter lock, and getting it back costs more than the digest.
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def sign_body(body: bytes, *, secret: str, prefix: str) -> str:
    """HMAC-SHA256 of the body in small hexadecimal digits; the key is the secret as it is written, in UTF-8."""
    return prefix + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
