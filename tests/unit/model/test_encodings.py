import gzip
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.encodings import decoded_opening, inflated

TEXT = b"no space left on device"
ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
}


def raw_deflate(content: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(content) + deflater.flush()


@pytest.mark.parametrize(
    ("content", "encoding", "plain"),
    [
        (TEXT, "", TEXT),
        (TEXT, "identity", TEXT),
        *((compress(TEXT), encoding, TEXT) for encoding, compress in ENCODINGS.items()),
        (raw_deflate(TEXT), "deflate", TEXT),
        (gzip.compress(TEXT)[:-8], "gzip", TEXT),
        (TEXT, "gzip", b""),
        (TEXT, "deflate", b""),
        (gzip.compress(TEXT), "br", b""),
        (b"", "gzip", b""),
    ],
)
def test_the_opening_of_a_body_without_its_encoding(content: bytes, encoding: str, plain: bytes) -> None:
    assert decoded_opening(content, encoding, 1000) == plain


@pytest.mark.parametrize("encoding", ["", *ENCODINGS])
def test_no_more_is_read_than_is_asked_for(encoding: str) -> None:
    content = bytes(10_000_000)
    packed = ENCODINGS[encoding](content) if encoding else content
    assert decoded_opening(packed, encoding, 10) == bytes(10)


def test_whether_all_of_it_was_read() -> None:
    packed = gzip.compress(TEXT)
    assert inflated(packed, "gzip", 1000) == (TEXT, True)
    assert inflated(packed[:-3], "gzip", 1000) == (TEXT, False)
    assert inflated(packed, "gzip", 2) == (TEXT[:2], False)


@given(st.binary(max_size=100), st.sampled_from(["", "identity", "br", *ENCODINGS]), st.integers(1, 50))
def test_any_bytes_have_an_opening(content: bytes, encoding: str, limit_bytes: int) -> None:
    assert len(decoded_opening(content, encoding, limit_bytes)) <= limit_bytes
