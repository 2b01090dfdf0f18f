"""Receivers that are known by their addresses, and what they make of a format that is not for them.

Some answer 200 to what they do not understand: delivered, and nothing happens. Nothing is refused for
that; it is said where a person looks. Sources: the parsers of Keel, Argo CD, Argo CD Image Updater, Kargo,
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
    """Whose address it is, "" when that is not known."""
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
    """Why the receiver at an address will not act on a format, "" when it will, or is not known.

    A template is its writer's business. Of type http; no chat message has any of these addresses.
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
