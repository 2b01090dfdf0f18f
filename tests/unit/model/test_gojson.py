"""Each value is what Go 1.25's encoding/json leaves in a struct with fields of these names."""

from typing import Any

import pytest

from sidecar.model import gojson

NAMES = {"size": "size", "config": "config", "list": "list", "mediatype": "mediaType"}


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b'{"Size": 1, "CONFIG": "c", "MediaType": "m"}', {"size": 1, "config": "c", "mediaType": "m"}),
        ('{"\u017fize": 1, "con\ufb01g": "a ligature is no fi"}'.encode(), {"size": 1}),
        (b'{"size": 1, "Size": 2}', {"size": 2}),
        (b'{"Size": 1, "size": 2, "SIZE": 3}', {"size": 3}),
        (b'{"config": "\xff\xfe"}', {"config": "\ufffd\ufffd"}),
        (b'{"config": "caf\xe9"}', {"config": "caf\ufffd"}),
        (b'{"config": {"size": 1}, "Config": {"list": []}}', {"config": {"size": 1, "list": []}}),
        (
            b'{"list": [{"size": 1}, {"size": 2}], "list": [{"config": "c"}]}',
            {"list": [{"size": 1, "config": "c"}]},
        ),
        (b'{"size": 1, "size": null}', {"size": 1}),
        (b'{"unknown": 1e400, "other": ' + b"9" * 10_000 + b', "size": 1}', {"size": 1}),
        (b' {"size":9223372036854775807}\n', {"size": 2**63 - 1}),
    ],
)
def test_values_as_go_reads_them(content: bytes, value: Any) -> None:
    assert gojson.loads(content, NAMES) == value


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf{}",
        b"{} x",
        b"{}{}",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b"{'a': 1}",
        b'{"a": "\n"}',
        b'{"a": 1,}',
        b"{\x00}",
    ],
)
def test_what_go_refuses(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"JSON|Expecting|Extra|Invalid|Illegal|BOM"):
        gojson.loads(content, NAMES)


def test_many_equal_keys_cost_no_more_than_their_number() -> None:
    content = b'{"config": {"size": 1}' + b', "config": {"list": [1]}' * 10_000 + b"}"
    assert gojson.loads(content, NAMES) == {"config": {"size": 1, "list": [1]}}
