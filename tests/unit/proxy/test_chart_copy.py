import hashlib
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.proxy.budget import Budget
from sidecar.proxy.chart_copy import LARGEST_CHART_BYTES, ChartCopy
from tests.unit.charts.test_chartfile import BOUNDARY, FORM, a_form

MIB = 1024 * 1024


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def a_copy(
    body: bytes, content_type: str = "", *, budget: Budget | None = None, piece: int = MIB
) -> ChartCopy:
    copy = ChartCopy((budget or Budget()).share(), content_type)
    for start in range(0, len(body), piece):
        copy.feed(body[start : start + piece])
    return copy


def test_raw_body_is_hashed_whole_and_kept() -> None:
    copy = a_copy(b"abc", piece=1)
    assert copy.sizes_by_digest() == {digest_of(b"abc"): 3}
    assert bytes(copy.content or b"") == b"abc"


@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"])
def test_each_part_of_a_form_is_hashed(line_end: bytes) -> None:
    chart = Random(1).randbytes(700_000)
    form = (b"preamble\r\n" + a_form({"prov": b"p", "chart": chart})).replace(b"\r\n", line_end)
    chart = chart.replace(b"\r\n", line_end)
    sizes = a_copy(form, FORM).sizes_by_digest()
    assert sizes == {digest_of(b"p"): 1, digest_of(chart): len(chart)}


def test_a_hundred_parts_are_hashed() -> None:
    form = a_form({f"p{n}": b"%d" % n for n in range(120)})
    assert len(a_copy(form, FORM).sizes_by_digest()) == 100


@pytest.mark.parametrize("kind", ["raw", "form"])
def test_without_room_there_is_no_copy_and_of_a_raw_body_still_a_hash(kind: str) -> None:
    body = bytes(1000)
    copy = a_copy(body, FORM if kind == "form" else "", budget=Budget(1500))
    assert copy.content is None
    assert copy.size_bytes == 1000
    assert copy.sizes_by_digest() == ({digest_of(body): 1000} if kind == "raw" else {})


def test_a_body_that_is_too_large_is_not_kept_and_gives_its_room_back() -> None:
    budget = Budget(1 << 30)
    body = bytes(LARGEST_CHART_BYTES + 1)
    copy = a_copy(body, budget=budget)
    assert copy.content is None
    assert budget.taken_bytes == 0
    assert copy.sizes_by_digest() == {digest_of(body): len(body)}


@given(st.binary(max_size=400))
def test_any_form_does_no_harm(body: bytes) -> None:
    a_copy(body, FORM).sizes_by_digest()
    a_copy(f"--{BOUNDARY}\r\n".encode() + body, FORM).sizes_by_digest()
    a_copy(body, "multipart/form-data; boundary=a").sizes_by_digest()
