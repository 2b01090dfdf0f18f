"""The parts of a target that may be shown, and times, in JSON for clients and scripts."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from sidecar.policies.target import Target
from sidecar.store.away import AwayTarget


def host_of(target: Target) -> str:
    """Scheme and host only: userinfo, path and query may be secrets (chat systems)."""
    parts = urlsplit(target.address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def is_verified(target: Target) -> bool:
    """Whether the server must present a valid certificate."""
    return target.address.startswith("https:") and not target.skip_cert_verify


def rfc3339(at: datetime | None) -> str | None:
    """UTC, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else None


def away_document(away: AwayTarget | None) -> dict[str, Any] | None:
    if away is None:
        return None
    return {"since": rfc3339(away.since), "until": rfc3339(away.until), "reason": away.reason}
