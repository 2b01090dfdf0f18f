import gzip
import zlib

import pytest
from structlog.testing import capture_logs

from sidecar.manifest import LARGEST_MANIFEST_BYTES
from sidecar.proxy.passage import decoded, parsed, sha256_of, tags_of, unharmed, unharmed_work


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
def test_decoded(content: bytes | None, encoding: str, plain: bytes | None) -> None:
    assert decoded(content, encoding) == plain


def test_what_is_no_manifest_is_none() -> None:
    assert parsed(b"{", "") is None
    assert parsed(b"{}", "") is not None


def test_sha256() -> None:
    assert sha256_of(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


async def test_faults_of_hooks_are_logged_and_end_here() -> None:
    def fail(_: int) -> bool:
        raise ValueError("no")

    async def fail_later() -> None:
        raise ValueError("no")

    with capture_logs() as logs:
        assert unharmed(fail, 1) is None
        await unharmed_work(fail_later())
    assert [entry["event"] for entry in logs] == ["hook.failed", "hook.failed"]


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("", ()),
        ("v1", ("v1",)),
        (" v1 ,v2,,v1", ("v1", "v2")),
        ("../../etc, <b>x</b>, v1:x, -a, \xe9, " + "a" * 129, ()),
        (",".join(f"v{n}" for n in range(1000)), tuple(f"v{n}" for n in range(64))),
        ("?," * 1_000_000 + "v1", ()),
    ],
)
def test_of_tags_that_an_upstream_names_only_tags_are_believed(text: str, tags: tuple[str, ...]) -> None:
    assert tags_of(text) == tags
