"""What can be parsed: the name of a kind and its function.

Each takes the bytes and its options (JSON values), and returns a small JSON object, because
the event loop parses it. An exception means: not understood.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from hashlib import sha256
from typing import Any, Final

from sidecar.charts.chartfile import find_upload, read_archive, read_upload
from sidecar.charts.index import find_by_digest, find_by_file_name
from sidecar.model.manifest import manifest_to_document, parse_manifest

Read = Callable[[bytes, Mapping[str, Any]], dict[str, Any]]


def _chart_index(payload: bytes, options: Mapping[str, Any]) -> dict[str, Any]:
    """{"found": entry or null}, by {"digests": [hex]} or {"file_name": ...}."""
    if "digests" in options:
        entry = find_by_digest(payload, options["digests"])
    else:
        entry = find_by_file_name(payload, options["file_name"])
    return {"found": asdict(entry) if entry else None}


def _chart(payload: bytes, _: Mapping[str, Any]) -> dict[str, Any]:
    """{"chart": ChartFile}, of a .tgz."""
    return {"chart": asdict(read_archive(payload))}


def _chart_upload(payload: bytes, options: Mapping[str, Any]) -> dict[str, Any]:
    """{"chart": ChartFile or null}, by {"content_type": ..., "fields": [...]}; null for a form without one."""
    chart = read_upload(payload, options["content_type"], options["fields"])
    return {"chart": asdict(chart) if chart else None}


def _chart_part(payload: bytes, options: Mapping[str, Any]) -> dict[str, Any]:
    """{"file_name", "size_bytes", "digest"} of the .tgz in an upload, whatever it holds; options as above."""
    file_name, content = find_upload(payload, options["content_type"], options["fields"])
    return {"file_name": file_name, "size_bytes": len(content), "digest": sha256(content).hexdigest()}


#: Of all descriptors together, so that the answer is small; no image has nearly as many.
_MOST_DESCRIPTORS: Final = 500


def _manifest(payload: bytes, options: Mapping[str, Any]) -> dict[str, Any]:
    """{"manifest": ...}, with {"content_type": ...}; of very many layers or children only the first."""
    manifest = parse_manifest(payload, options["content_type"])
    children = manifest.children[:_MOST_DESCRIPTORS]
    layers, left_out = manifest.layers[:_MOST_DESCRIPTORS], manifest.layers[_MOST_DESCRIPTORS:]
    left_out_bytes = sum(layer.size_bytes for layer in left_out)
    bounded = replace(manifest, children=children, layers=layers, left_out_bytes=left_out_bytes)
    return {"manifest": manifest_to_document(bounded)}


KINDS: Final[dict[str, Read]] = {
    "chart": _chart,
    "chart-upload": _chart_upload,
    "chart-part": _chart_part,
    "chart-index": _chart_index,
    "manifest": _manifest,
}
