"""ChartMuseum's index, as it answered (0.16.3, GET /api/prj/charts)."""

import json

import pytest

from sidecar.charts.index import IndexEntry, find_by_digest, find_by_file_name

DIGEST = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"
INDEX = json.dumps(
    {
        "app": [
            {
                "name": "app",
                "version": "1000",
                "apiVersion": "v1",
                "urls": ["charts/app-1000.tgz"],
                "created": "2026-11-25T09:00:00Z",
                "digest": DIGEST,
            },
            {"name": "app", "version": "0.5", "type": "library", "urls": ["http://h/charts/app-0.5.tgz"]},
        ]
    }
).encode()
ENTRY = IndexEntry(
    name="app",
    version="1000",
    type="application",
    digest=DIGEST,
    file_name="app-1000.tgz",
    created="2026-11-25T09:00:00Z",
)


def test_entry_is_found_by_its_digest() -> None:
    assert find_by_digest(INDEX, ["0" * 64, DIGEST]) == ENTRY
    assert find_by_digest(INDEX, ["0" * 64]) is None


def test_entry_is_found_by_its_file_name() -> None:
    found = find_by_file_name(INDEX, "app-0.5.tgz")
    assert found
    assert (found.version, found.type, found.digest) == ("0.5", "library", "")
    assert find_by_file_name(INDEX, "other-1.tgz") is None


@pytest.mark.parametrize(
    "index",
    [b"[]", b"{}", b"null", b'{"a": 1}', b'{"a": [1, {}, {"name": 1, "version": "1", "digest": "x"}]}'],
)
def test_what_is_no_index_has_no_entries(index: bytes) -> None:
    assert find_by_digest(index, ["x"]) is None


@pytest.mark.parametrize("index", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_raises(index: bytes) -> None:
    with pytest.raises((ValueError, RecursionError)):
        find_by_digest(index, ["x"])
