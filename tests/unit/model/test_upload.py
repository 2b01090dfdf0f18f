from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.names import Digest, repository_of
from sidecar.model.operation import UploadStep, WriteBlob
from sidecar.model.upload import MOST_PARAMETERS, first_values, upload_as_sent

APP = repository_of("prj/app", default_project="library")
DIGEST, OTHER = Digest("sha256:" + "a" * 64), Digest("sha256:" + "b" * 64)
LARGEST = 2**63 - 1

ANY_BYTES = st.text(st.characters(max_codepoint=0x17F) | st.sampled_from("%&=;+?#\udc80\udcff"), max_size=40)


def said(step: UploadStep, query: str = "", content_length: int | None = 0, **more: str) -> WriteBlob:
    return upload_as_sent(
        WriteBlob(APP, step), query=query, content_length=content_length, default_project="library", **more
    )


def of(step: UploadStep, **known: Any) -> WriteBlob:
    return WriteBlob(APP, step, **({"body_bytes": 0} | known))


@pytest.mark.parametrize(
    ("found", "expected", "size_bytes"),
    [
        (said(UploadStep.START), of(UploadStep.START), None),
        (
            said(UploadStep.START, f"mount={DIGEST}&from=prj%2Fother"),
            of(
                UploadStep.START,
                digest=DIGEST,
                is_mount=True,
                mount_source=repository_of("prj/other", default_project="library"),
            ),
            None,
        ),
        (
            said(UploadStep.START, f"from=base&mount={quote(DIGEST, safe='')}"),
            of(
                UploadStep.START,
                digest=DIGEST,
                is_mount=True,
                mount_source=repository_of("base", default_project="library"),
            ),
            None,
        ),
        (said(UploadStep.START, f"mount={DIGEST}"), of(UploadStep.START, digest=DIGEST, is_mount=True), None),
        (
            said(UploadStep.START, f"digest={DIGEST}", 7),
            of(UploadStep.START, digest=DIGEST, body_bytes=7, end_bytes=7),
            7,
        ),
        (
            said(UploadStep.START, f"digest={DIGEST}", None),
            of(UploadStep.START, digest=DIGEST, body_bytes=None),
            None,
        ),
        (said(UploadStep.START, "digest-algorithm=sha512", 7), of(UploadStep.START, body_bytes=7), None),
        (said(UploadStep.PIECE, "_state=x", 7), of(UploadStep.PIECE, body_bytes=7), None),
        (said(UploadStep.PIECE, "_state=x", None), of(UploadStep.PIECE, body_bytes=None), None),
        (
            said(UploadStep.PIECE, f"digest={DIGEST}", 7, content_range="3-9"),
            of(UploadStep.PIECE, body_bytes=7, end_bytes=10),
            None,
        ),
        (said(UploadStep.END, f"_state=x&digest={DIGEST}"), of(UploadStep.END, digest=DIGEST), None),
        (said(UploadStep.END, f"digest={DIGEST}", 7), of(UploadStep.END, digest=DIGEST, body_bytes=7), None),
        (
            said(UploadStep.END, f"digest={DIGEST}", 7, content_range="3-9"),
            of(UploadStep.END, digest=DIGEST, body_bytes=7, end_bytes=10),
            10,
        ),
        (said(UploadStep.END, "", None), of(UploadStep.END, body_bytes=None), None),
    ],
)
def test_what_is_known_at_each_step(found: WriteBlob, expected: WriteBlob, size_bytes: int | None) -> None:
    assert found == expected
    assert found.size_bytes == size_bytes


@pytest.mark.parametrize(
    "digest",
    [
        "",
        "abc",
        "sha256:",
        "sha256:abc",
        "sha256:" + "A" * 64,
        f"{DIGEST}%00",
        f"{DIGEST}+",
        "%",
        "\udcff",
        ":",
    ],
)
def test_a_malformed_digest_is_none(digest: str) -> None:
    assert said(UploadStep.END, f"digest={digest}").digest is None
    assert said(UploadStep.START, f"digest={digest}", 7) == of(UploadStep.START, body_bytes=7)
    mount = said(UploadStep.START, f"mount={digest}&from=prj/other")
    assert (mount.digest, mount.is_mount, mount.mount_source) == (None, False, None)


@pytest.mark.parametrize("source", ["", "..", "Prj/App/", "a//b", "%ff", "%zz", "x" * 40_000])
def test_a_malformed_mount_source_is_none(source: str) -> None:
    mount = said(UploadStep.START, f"mount={DIGEST}&from={source}")
    assert (mount.digest, mount.is_mount, mount.mount_source) == (DIGEST, True, None)


@pytest.mark.parametrize(
    ("content_range", "content_length"),
    [
        ("", 10),
        ("0-9", None),
        ("0-9", 9),
        ("0-9", 11),
        ("9-0", 10),
        ("5-4", 0),
        ("bytes 0-9/10", 10),
        ("0-9/10", 10),
        ("+0-9", 10),
        (" 0-9", 10),
        ("0-", 10),
        ("-9", 10),
        ("\u0660-\u0669", 10),
        (f"0-{LARGEST}", 2**63),
        (f"0-{10**30}", 10**30 + 1),
        ("0-" + "9" * 5000, 10),
    ],
)
def test_a_range_that_is_no_claim_is_none(content_range: str, content_length: int | None) -> None:
    for step in (UploadStep.PIECE, UploadStep.END):
        assert said(step, "", content_length, content_range=content_range).end_bytes is None


def test_absurd_sizes_are_none() -> None:
    assert said(UploadStep.PIECE, "", LARGEST).body_bytes == LARGEST
    assert said(UploadStep.PIECE, "", LARGEST + 1).body_bytes is None
    assert said(UploadStep.START, f"digest={DIGEST}", 10**100) == of(
        UploadStep.START, digest=DIGEST, body_bytes=None
    )


@pytest.mark.parametrize(
    ("query", "digest"),
    [
        (f"digest={DIGEST}&digest={OTHER}", DIGEST),
        (f"digest=&digest={OTHER}", None),
        (f"digest&digest={OTHER}", None),
        (f"digest=x&digest={OTHER}", None),
        (f"digest=%zz&digest={OTHER}", OTHER),
        (f"digest={DIGEST};&digest={OTHER}", OTHER),
        (f"%zz=1&digest={OTHER}", OTHER),
        (f"d%69gest={DIGEST}&digest={OTHER}", DIGEST),
        (f"Digest={DIGEST}&digest={OTHER}", OTHER),
        (f"?digest={DIGEST}&digest={OTHER}", OTHER),
        (f"&&digest={DIGEST}&", DIGEST),
        (f"digest={quote_plus(DIGEST)}", DIGEST),
        (f"digest={DIGEST}#x", None),
        (f"digest={DIGEST}=", None),
        ("x&" * (MOST_PARAMETERS - 1) + f"digest={DIGEST}", DIGEST),
        ("x&" * MOST_PARAMETERS + f"digest={DIGEST}", None),
    ],
)
def test_a_query_is_read_as_registries_read_it(query: str, digest: str | None) -> None:
    assert said(UploadStep.END, query).digest == digest


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "Application/X-WWW-Form-Urlencoded; a=b"]
)
def test_a_body_that_registries_read_as_a_form_may_say_another_digest(content_type: str) -> None:
    for length in (7, None):
        assert said(UploadStep.END, f"digest={DIGEST}", length, content_type=content_type).digest is None
    assert said(UploadStep.END, f"digest={DIGEST}", 0, content_type=content_type).digest == DIGEST


@given(
    st.sampled_from(UploadStep),
    ANY_BYTES
    | st.builds(lambda key, value: f"{key}={value}", st.sampled_from(["digest", "mount"]), ANY_BYTES),
    st.none() | st.integers(0, 10**40),
    ANY_BYTES,
    ANY_BYTES,
)
def test_whatever_a_head_says_is_understood_or_none(
    step: UploadStep, query: str, content_length: int | None, content_range: str, content_type: str
) -> None:
    found = said(step, query, content_length, content_range=content_range, content_type=content_type)
    assert (found.repository, found.step) == (APP, step)
    for size in (found.body_bytes, found.end_bytes, found.size_bytes):
        assert size is None or 0 <= size <= LARGEST


PAIRS = st.lists(
    st.tuples(st.sampled_from(["digest", "mount", "from", "x", "", "digest "]), st.text(max_size=8)),
    max_size=8,
)


@given(PAIRS)
def test_of_equal_parameters_the_first_counts(pairs: list[tuple[str, str]]) -> None:
    query = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in pairs)
    expected = {
        name: next(value for key, value in pairs if key == name)
        for name, _ in pairs
        if name in {"digest", "mount", "from"}
    }
    assert first_values(query) == expected


@given(
    PAIRS,
    st.lists(st.sampled_from(["%", "%z", "digest=%4", "digest=a;b", ";", "mount=%%", "=", ""]), max_size=4),
    st.randoms(),
)
def test_pairs_that_are_not_read_do_not_hide_others(
    pairs: list[tuple[str, str]], broken: list[str], random: Any
) -> None:
    sound = [f"{quote_plus(name)}={quote_plus(value)}" for name, value in pairs]
    mixed = list(sound)
    for pair in broken:
        mixed.insert(random.randint(0, len(mixed)), pair)
    assert first_values("&".join(mixed)) == first_values("&".join(sound))


@given(st.integers(0, 2**64), st.integers(0, 2**64))
def test_a_range_says_where_the_body_ends(first: int, length: int) -> None:
    found = said(UploadStep.PIECE, "", length, content_range=f"{first}-{first + length - 1}")
    is_sound = length > 0 and first + length <= LARGEST
    assert found.end_bytes == (first + length if is_sound else None)
