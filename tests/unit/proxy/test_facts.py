import pytest

from sidecar.proxy.facts import Found

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("headers", "content", "digest"),
    [
        ([(b"Docker-Content-Digest", DIGEST.encode())], b"", DIGEST),
        ([], b"{}", "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"),
        ([], b"", None),
        ([(b"docker-content-digest", b"nonsense")], b"{}", None),
    ],
)
def test_digest_is_named_or_computed(
    headers: list[tuple[bytes, bytes]], content: bytes, digest: str | None
) -> None:
    assert Found(200, headers, content).digest == digest


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_object_is_empty(content: bytes) -> None:
    assert Found(200, [], content).document() == {}
