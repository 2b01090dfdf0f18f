"""The keys of a target's signing secret, as Standard Webhooks writes it (specification 1.0.0, "Signature scheme")."""

import base64
import binascii
from typing import Final

_PREFIX: Final = "whsec_"


def signing_keys(secret: str) -> tuple[bytes, ...]:
    """The keys of a secret: `whsec_` and base64; several, separated by spaces, while one is replaced.

    Raises ValueError, which never quotes the secret.
    """
    return tuple(_key(part) for part in secret.split())


def _key(part: str) -> bytes:
    encoded = part.removeprefix(_PREFIX).rstrip("=")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise ValueError("the signing secret is not whsec_ followed by base64") from exc
    if not key:
        raise ValueError("the signing secret is empty")
    return key
