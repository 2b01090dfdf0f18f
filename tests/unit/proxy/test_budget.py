from hypothesis import given
from hypothesis import strategies as st

from sidecar.proxy.budget import Budget


def test_takes_up_to_the_limit_and_not_a_byte_more() -> None:
    budget = Budget(10)
    with budget.share() as first, budget.share() as second:
        assert first.take(6)
        assert not second.take(5)
        assert second.take(4)
        assert (budget.taken_bytes, budget.free_bytes) == (10, 0)
    assert budget.taken_bytes == 0


def test_what_was_taken_stays_when_the_limit_falls_below_it() -> None:
    budget = Budget(10)
    with budget.share() as share:
        assert share.take(8)
        budget.limit_bytes = 5
        assert (share.taken_bytes, budget.free_bytes) == (8, 0)
        assert not share.take(1)


def test_share_is_kept_until_the_last_who_holds_it_leaves() -> None:
    budget = Budget(10)
    with budget.share() as share:
        share.take(7)
        leave = share.retain()
    assert budget.taken_bytes == 7
    leave()
    assert budget.taken_bytes == 0


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.integers(-5, 50)), max_size=60))
def test_the_budget_is_the_sum_of_its_shares(steps: list[tuple[int, bool, int]]) -> None:
    budget = Budget(100)
    shares = [budget.share() for _ in range(4)]
    for which, is_taking, size_bytes in steps:
        if is_taking:
            shares[which].take(max(size_bytes, 0))
        else:
            shares[which].release(size_bytes)
        assert budget.taken_bytes == sum(share.taken_bytes for share in shares)
        assert 0 <= budget.taken_bytes <= 100
    for share in shares:
        with share:
            pass
    assert budget.taken_bytes == 0
