import gzip
import zlib

import pytest

from sidecar.model.exchange import Body
from sidecar.model.manifest import LARGEST_MANIFEST_BYTES, OCI_INDEX, parse_manifest
from sidecar.parsing.pool import ParserPool
from sidecar.proxy.manifests import SMALL_BYTES, decoded, read_manifest, sha256_of
from tests.support.builders import a_manifest, an_index


@pytest.mark.parametrize(
    ("content", "encoding", "plain"),
    [
        (b"abc", "", b"abc"),
        (b"abc", "identity", b"abc"),
        (gzip.compress(b"abc"), "gzip", b"abc"),
        (gzip.compress(b"abc"), "x-gzip", b"abc"),
        (gzip.compress(b"abc")[:-3], "gzip", None),
        (gzip.compress(bytes(LARGEST_MANIFEST_BYTES + 1)), "gzip", None),
        (b"abc", "gzip", None),
        (zlib.compress(b"abc"), "deflate", None),
        (None, "gzip", None),
    ],
)
async def test_decoded(content: bytes | None, encoding: str, plain: bytes | None) -> None:
    assert await decoded(content, encoding) == plain


@pytest.mark.parametrize("size", [0, SMALL_BYTES + 1])
async def test_sha256(size: int) -> None:
    known = {
        0: "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        SMALL_BYTES + 1: "sha256:7ef43086d6ff0877a42e27bfa629270eacb2e6a327950020a4e426f0281a1e63",
    }
    assert await sha256_of(bytes(size)) == known[size]


async def test_large_manifests_are_read_in_another_process_alike() -> None:
    index = an_index([(a_manifest(str(n)), "linux/amd64") for n in range(300)])
    assert len(index) > SMALL_BYTES
    pool = ParserPool()
    try:
        found = await read_manifest(Body(index, OCI_INDEX), pool.run)
        assert found == parse_manifest(index, OCI_INDEX)
        assert await read_manifest(Body(b"[" * (SMALL_BYTES + 1), OCI_INDEX), pool.run) is None
    finally:
        await pool.close()


async def test_what_is_no_manifest_is_none() -> None:
    pool = ParserPool()
    assert await read_manifest(Body(b"{", ""), pool.run) is None
    assert await read_manifest(Body(b"{}", ""), pool.run) is not None
