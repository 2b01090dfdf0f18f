import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.proxy.budget import Budget
from sidecar.proxy.relay import BodyCopy, Upload


@given(st.lists(st.binary(max_size=20)), st.integers(0, 60))
def test_copy_is_the_whole_body_or_nothing(pieces: list[bytes], limit_bytes: int) -> None:
    copy, whole = BodyCopy(limit_bytes, Budget().share()), b"".join(pieces)
    for piece in pieces:
        copy.feed(piece)
    assert copy.content == (whole if len(whole) <= limit_bytes else None)


def test_copy_without_memory_for_it_is_given_up_and_holds_nothing() -> None:
    budget = Budget(100)
    others, share = budget.share(), budget.share()
    assert others.take(50)
    copy = BodyCopy(1000, share)
    copy.feed(b"x" * 20)
    copy.feed(b"x" * 20)
    copy.feed(b"x")
    assert (copy.content, budget.taken_bytes) == (None, 50)


async def test_body_that_goes_by_cannot_be_decoded() -> None:
    with pytest.raises(TypeError):
        Upload().decode()


async def test_stopping_what_never_began_returns_at_once() -> None:
    upload = Upload()
    await upload.stop()
    assert not upload.is_complete
