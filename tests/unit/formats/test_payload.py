import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.formats.payload import encode_json, without_empty

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"b": 1, "a": [1, 2], "c": None}, b'{"b":1,"a":[1,2],"c":null}'),
        ("<a href='x'>&</a>", rb'"\u003ca href=' + b"'x'" + rb'\u003e\u0026\u003c/a\u003e"'),
        ("\u2028\u2029", rb'"\u2028\u2029"'),
        ("gr\u00fc\u00df \U0001f600", '"gr\u00fc\u00df \U0001f600"'.encode()),
        ('"\\/', rb'"\"\\/"'),
        ("\n\r\t\b\f\x00\x1f\x7f", b'"' + rb"\n\r\t\b\f\u0000\u001f" + b'\x7f"'),
        ("a\ud800b", rb'"a\ufffdb"'),
        (True, b"true"),
    ],
)
def test_json_is_written_as_go_writes_it(document: object, expected: bytes) -> None:
    assert encode_json(document) == expected


@given(_JSON)
def test_what_is_written_reads_back(document: Any) -> None:
    assert json.loads(encode_json(document)) == json.loads(json.dumps(document))


@given(st.text(st.characters()))
def test_no_text_breaks_the_encoding(text: str) -> None:
    encoded = encode_json({"text": text})
    assert isinstance(json.loads(encoded)["text"], str)
    assert not set(b"<>&\n") & set(encoded)


def test_empty_values_are_left_out_and_order_is_kept() -> None:
    kept = without_empty(b="x", a="", n=0, none=None, list=[], object={}, c=[0], i=1)
    assert list(kept.items()) == [("b", "x"), ("c", [0]), ("i", 1)]
