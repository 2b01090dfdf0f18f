"""Finds a file in a chart repository's own index: ChartMuseum's answer to GET /api/<tenant>/charts.

The document is an object of lists by chart name, or one entry (of GET .../charts/<name>/<version>). An entry is Chart.yaml as ChartMuseum reads it, with
the sha256 of the .tgz in `digest` and its path in `urls`. Source: ChartMuseum pkg/repo/chart.go; helm
pkg/repo/index.go (ChartVersion).
"""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexEntry:
    """One version of a chart as the index names it."""

    name: str
    version: str
    type: str  #: application or library
    digest: str  #: sha256 of the .tgz, hexadecimal
    file_name: str  #: the last part of its first URL
    created: str = ""  #: when the file was stored, RFC 3339


def find_by_digest(index: bytes, digests: Collection[str]) -> IndexEntry | None:
    """The entry whose file has one of these digests (hexadecimal), None when there is none.

    Raises ValueError or RecursionError for what is no JSON.
    """
    return next((found for found in _entries(index) if found.digest in digests), None)


def find_by_file_name(index: bytes, file_name: str) -> IndexEntry | None:
    """The entry that is downloaded by this name. Raises as `find_by_digest`."""
    return next((found for found in _entries(index) if found.file_name == file_name), None)


def _entries(index: bytes) -> Iterator[IndexEntry]:
    document = json.loads(index)
    if isinstance(document, dict) and (only := _entry(document)):
        yield only
        return
    lists = document.values() if isinstance(document, dict) else ()
    for versions in lists:
        for version in versions if isinstance(versions, list) else ():
            if isinstance(version, dict) and (entry := _entry(version)):
                yield entry


def _entry(version: dict[str, Any]) -> IndexEntry | None:
    name, number, digest = version.get("name"), version.get("version"), version.get("digest")
    if not isinstance(name, str) or not isinstance(number, str):
        return None
    urls = version.get("urls")
    url = urls[0] if isinstance(urls, list) and urls and isinstance(urls[0], str) else ""
    return IndexEntry(
        name=name,
        version=number,
        type="library" if version.get("type") == "library" else "application",
        digest=digest if isinstance(digest, str) else "",
        file_name=url.rpartition("/")[2],
        created=str(version.get("created", "")),
    )
