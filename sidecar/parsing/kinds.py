"""What can be read: a kind's name and the function that reads it.

Each takes the bytes and what else must be known (JSON values), and returns a JSON object that is small:
the event loop parses it. What it raises is an answer too: not understood.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

from sidecar.chartindex import find_by_digest, find_by_file_name

Read = Callable[[bytes, Mapping[str, Any]], dict[str, Any]]


def _chart_index(payload: bytes, options: Mapping[str, Any]) -> dict[str, Any]:
    """{"found": entry or null}, by {"digests": [hex]} or {"file_name": ...}."""
    if "digests" in options:
        entry = find_by_digest(payload, options["digests"])
    else:
        entry = find_by_file_name(payload, options["file_name"])
    return {"found": asdict(entry) if entry else None}


KINDS: Final[dict[str, Read]] = {
    "chart-index": _chart_index,
}
