import pytest

from sidecar.policies.target import PayloadFormat, Target
from sidecar.policies.target_ids import address_id, successors, target_ids


def targets(*names: str) -> tuple[Target, ...]:
    return tuple(Target(address=f"https://{name}.example/") for name in names)


def test_a_target_without_an_id_has_one_of_its_address_that_does_not_show_it() -> None:
    one, other = target_ids(targets(*"ab"))
    assert target_ids(targets(*"ba")) == (other, one)
    assert target_ids(targets(*"cab"))[1:] == (one, other)
    assert one == address_id("https://a.example/")
    assert "example" not in one


def test_a_target_has_the_id_that_it_was_given() -> None:
    given = Target(id="ci", address="https://a.example/")
    assert target_ids((given, *targets("b")))[0] == "ci"


def test_targets_with_one_address_are_told_apart_whatever_their_order() -> None:
    address = "https://a.example/"
    plain = Target(address=address)
    other = Target(address=address, payload_format=PayloadFormat.CLOUDEVENTS)
    assert dict(zip((plain, other), target_ids((plain, other)), strict=True)) == dict(
        zip((other, plain), target_ids((other, plain)), strict=True)
    )
    assert len(set(target_ids((plain, plain, other)))) == 3


def test_an_id_that_was_given_is_nobody_elses() -> None:
    address = "https://a.example/"
    given = Target(id=address_id(address), address="https://b.example/")
    assert len(set(target_ids((Target(address=address), given)))) == 2


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
def test_what_waits_goes_to_where_its_target_stands(
    before: str, after: str, places: list[int | None]
) -> None:
    old, new = target_ids(targets(*before)), target_ids(targets(*after))
    found = successors(targets(*after), before=old, waiting=old)
    assert [new.index(found.get(own, own)) if found.get(own, own) in new else None for own in old] == places


def test_a_target_that_is_given_an_id_or_loses_it_gets_what_waits() -> None:
    plain = Target(address="https://a.example/")
    named = Target(id="ci", address="https://a.example/")
    (old,) = target_ids((plain,))
    assert successors((*targets("b"), named), before=[old], waiting=()) == {old: "ci"}
    assert successors((plain,), before=["ci"], waiting=["ci"]) == {"ci": old}


def test_what_earlier_versions_stored_goes_by_the_place_once() -> None:
    there = targets(*"ab")
    one, other = target_ids(there)
    assert successors(there, before=(), waiting=["#0", "#1", "#2", "#x"]) == {"#0": one, "#1": other}
    twice = (there[0], Target(address=there[0].address, payload_format=PayloadFormat.DEFAULT))
    first, second = target_ids(twice)
    base = address_id(there[0].address)
    assert successors(twice, before=(), waiting=[f"{base}#0", f"{base}#1"]) == {
        f"{base}#0": first,
        f"{base}#1": second,
    }
    assert successors(there[1:], before=(), waiting=[f"{base}#0"]) == {}


def test_what_was_taken_out_before_has_no_successor() -> None:
    assert successors(targets(*"ab"), before=target_ids(targets(*"ab")), waiting=["gone"]) == {}
