"""Receivers recognised by their addresses, and the formats that they ignore.

Some answer 200 to a payload that they do not understand: it counts as delivered, and nothing happens. Such a
configuration is allowed, but gives a notice. Sources: the parsers of Keel, Argo CD, Argo CD Image Updater, Kargo,
Zulip, Backend.AI and the harbor plugin of Jenkins; each was sent every format.
"""

import re
from typing import Final
from urllib.parse import parse_qs, urlsplit

from sidecar.policies.target import EventNames, PayloadFormat

_JENKINS: Final = "the harbor plugin of Jenkins"
_KEEL: Final = "Keel"
_KNOWN: Final = (
    (re.compile(r"/v1/webhooks/harbor\Z"), _KEEL),
    (re.compile(r"/api/webhook\Z"), "Argo CD"),
    (re.compile(r"/harbor-webhook\Z"), _JENKINS),
    (re.compile(r"/external/harbor\Z"), "Zulip"),
    (re.compile(r"/container-registries/webhook/harbor\Z"), "Backend.AI"),
    (re.compile(r"/harbor/[0-9a-f]{64}\Z"), "Kargo"),
)


def receiver_at(address: str) -> str:
    """The receiver that an address belongs to; "" if unknown."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    path = parts.path.rstrip("/")
    for pattern, name in _KNOWN:
        if pattern.search(path):
            return name
    kinds = parse_qs(parts.query).get("type", [])
    return "Argo CD Image Updater" if path.endswith("/webhook") and "harbor" in kinds else ""


def mismatch(address: str, payload_format: PayloadFormat, names: EventNames) -> str:
    """Why the receiver at an address ignores a format; "" when it does not, or is unknown.

    Templates are not checked. For targets of type http; none of these addresses is one of a chat system.
    """
    receiver = receiver_at(address)
    if not receiver or payload_format is PayloadFormat.TEMPLATE:
        return ""
    looks = f"this looks like the address of {receiver}, which"
    if receiver == _JENKINS:
        return f"{looks} acts on scans alone and refuses them in this format; docs/events.md has a template"
    if payload_format is not PayloadFormat.DEFAULT:
        return f"{looks} reads Default, and does not act on {payload_format} even where it answers 200"
    if names is EventNames.HARBOR1 and receiver != _KEEL:
        return f"{looks} does not act on the event names of Harbor 1.x; leave event_names out"
    return ""
