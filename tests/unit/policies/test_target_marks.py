import pytest

from sidecar.policies.policy import WebhookPolicy
from sidecar.policies.target import Target
from sidecar.policies.target_marks import find_target, target_marks


def with_targets(*names: str) -> WebhookPolicy:
    return WebhookPolicy(
        id="prj/ci",
        project="prj",
        name="ci",
        targets=tuple(Target(address=f"https://{name}.example/") for name in names),
    )


@pytest.mark.parametrize(
    ("before", "after", "places"),
    [
        ("ab", "ab", [0, 1]),
        ("ab", "b", [None, 0]),
        ("ab", "a", [0, None]),
        ("ab", "ba", [1, 0]),
        ("ab", "cab", [1, 2]),
        ("ab", "ac", [0, 1]),  # an address was corrected
        ("ab", "cb", [0, 1]),
        ("a", "cd", [0]),
        ("aa", "aa", [0, 1]),
        ("ab", "bc", [None, 0]),  # one was removed and another added at once
        ("abc", "xbc", [0, 1, 2]),
        ("abc", "bca", [2, 0, 1]),
        ("abc", "xb", [0, 1, None]),
        ("ab", "", [None, None]),
    ],
)
def test_target_is_found_wherever_it_stands(before: str, after: str, places: list[int | None]) -> None:
    old, new = with_targets(*before), with_targets(*after)
    found = [find_target(new, index, mark) for index, mark in enumerate(target_marks(old))]
    assert found == places
    assert "example" not in "".join(target_marks(old))


def test_without_a_mark_a_target_is_where_it_was() -> None:
    assert find_target(with_targets("a"), 0, "") == 0
    assert find_target(with_targets("a"), 1, "") is None
