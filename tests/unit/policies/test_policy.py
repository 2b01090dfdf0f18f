import re
from dataclasses import replace
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.event import Event, EventType
from sidecar.policies.policy import Target, WebhookPolicy, find_target, matches, target_marks
from tests.unit.formats.samples import DIGEST, an_event


def a_policy(**more: Any) -> WebhookPolicy:
    return WebhookPolicy(**{"id": "prj/ci", "project": "prj", "name": "ci"} | more)


def is_match(glob: str, name: str) -> bool:
    return matches(a_policy(project="*", repositories=(glob,)), an_event(repository=name))


def lets_pass(tags: tuple[str, ...], event: Event) -> bool:
    return matches(a_policy(tags=tags), event)


# Which events


def test_policy_without_filters_wants_every_event_of_its_project() -> None:
    assert all(matches(a_policy(), an_event(kind)) for kind in EventType)
    assert not matches(a_policy(), an_event(repository="other/app"))


def test_star_stands_for_every_project() -> None:
    assert matches(a_policy(project="*"), an_event(repository="other/app"))
    assert matches(a_policy(project="*"), an_event(repository="busybox"))


def test_repository_of_one_part_is_in_the_default_project() -> None:
    assert matches(a_policy(project="library"), an_event(repository="busybox"))


def test_disabled_policy_wants_nothing() -> None:
    assert not matches(a_policy(enabled=False), an_event())


@given(st.frozensets(st.sampled_from(EventType)), st.sampled_from(EventType))
def test_policy_wants_the_types_it_names(wanted: frozenset[EventType], kind: EventType) -> None:
    assert matches(a_policy(event_types=wanted), an_event(kind)) == (kind in wanted)


# Globs


@pytest.mark.parametrize(
    ("glob", "name", "expected"),
    [
        ("prj/app", "prj/app", True),
        ("prj/app", "prj/app2", False),
        ("prj/app", "other/prj/app", False),
        ("prj/*", "prj/app", True),
        ("prj/*", "prj/team/app", False),
        ("prj/**", "prj/team/app", True),
        ("prj/**", "prjx/app", False),
        ("**/app", "prj/team/app", True),
        ("**/app", "app", True),
        ("prj/**/app", "prj/app", True),
        ("prj/**/app", "prj/a/b/app", True),
        ("prj/**/app", "prj/xapp", False),
        ("prj/**/**/app", "prj/app", True),
        ("prj/**/**/app", "prj/a/app", True),
        ("prj/{x,**/app}", "prj/app", True),
        ("prj/{x,**/app}", "prj/a/b/app", True),
        ("**", "prj/app", True),
        ("*", "prj/app", False),
        ("*", "busybox", True),
        ("prj/app-?", "prj/app-1", True),
        ("prj/app-?", "prj/app-12", False),
        ("prj?app", "prj/app", False),
        ("prj/{web,api}-*", "prj/api-1", True),
        ("prj/{web,api}-*", "prj/db-1", False),
        ("prj/{a,b{c,d}}", "prj/bd", True),
        ("prj/app{,-dev}", "prj/app", True),
        ("{prj,other}/**", "other/x/y", True),
        ("prj/a.b", "prj/axb", False),
        ("prj/a+", "prj/aa", False),
        ("prj/[ab]", "prj/a", False),
        ("prj/{a", "prj/a", False),
        ("**a*b", "a/ab", True),
        ("*a*/b", "xa/b", True),
        ("PRJ/app", "prj/app", False),
    ],
)
def test_repository_globs(glob: str, name: str, *, expected: bool) -> None:
    assert is_match(glob, name) is expected


def reference_match(glob: str, name: str) -> bool:
    """The same rules, written as simply and slowly as can be."""
    if not glob:
        return not name
    if glob.startswith("**"):
        return any(reference_match(glob[2:], name[at:]) for at in range(len(name) + 1))
    if glob.startswith("*"):
        until = name.find("/") if "/" in name else len(name)
        return any(reference_match(glob[1:], name[at:]) for at in range(until + 1))
    if not name or (glob[0] == "?" and name[0] == "/") or glob[0] not in {"?", name[0]}:
        return False
    return reference_match(glob[1:], name[1:])


@given(st.text("ab/*?", min_size=1, max_size=8), st.text("ab/", max_size=10))
def test_globs_match_as_the_simplest_matcher_does(glob: str, name: str) -> None:
    # `**/` at the beginning of a component also stands for nothing: the reference knows no such rule
    glob = re.sub(r"(?<![^/])(\*\*/)+", "*/", glob)
    event = replace(an_event(), repository=replace(an_event().repository, full_name=name))
    policy = a_policy(repositories=(glob,))
    assert matches(policy, event) is reference_match(glob, name)


@pytest.mark.parametrize(
    "glob", ["*a" * 30 + "b", "**a" * 30 + "b", "**/*a" * 20 + "b", "{a,a}" * 40, "{" * 2000, "{a}" * 2000]
)
def test_no_glob_is_slow(glob: str) -> None:
    began = process_time()
    is_match(glob, "a" * 255)
    is_match(glob, "a/" * 127)
    assert process_time() - began < 2


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_text_is_a_glob(glob: str, name: str) -> None:
    event = replace(an_event(), repository=replace(an_event().repository, full_name=name))
    matches(a_policy(repositories=(glob,)), event)


# Tags


@pytest.mark.parametrize(
    ("tags", "expected"), [(("v*",), True), (("w*", "v?"), True), (("w*",), False), ((), True)]
)
def test_tag_filter_is_about_the_tag_that_was_meant(tags: tuple[str, ...], *, expected: bool) -> None:
    assert lets_pass(tags, an_event()) is expected


def test_other_tags_of_the_digest_do_not_let_an_event_pass() -> None:
    assert not lets_pass(("latest",), an_event(tags=("v1", "latest")))


def test_delete_by_digest_passes_with_any_of_its_tags() -> None:
    event = an_event(EventType.IMAGE_DELETE, tag="", tags=("v1", "latest"))
    assert lets_pass(("latest",), event)
    assert not lets_pass(("dev",), event)


def test_untagged_event_passes_no_tag_filter() -> None:
    assert not lets_pass(("*",), an_event(tag="", digest=DIGEST))


@pytest.mark.parametrize(("tags", "expected"), [(("1.*",), True), (("2.*",), False)])
def test_tag_filter_is_about_a_charts_version(tags: tuple[str, ...], *, expected: bool) -> None:
    assert lets_pass(tags, an_event(EventType.CHART_PUSH)) is expected


# What is left out, and who


def test_what_is_excluded_goes_before_what_is_named() -> None:
    policy = a_policy(repositories=("prj/**",), exclude_repositories=("prj/tmp/**", "prj/*-test"))
    assert matches(policy, an_event(repository="prj/app"))
    assert not matches(policy, an_event(repository="prj/tmp/app"))
    assert not matches(policy, an_event(repository="prj/app-test"))


def test_exclusion_alone_leaves_the_rest() -> None:
    policy = a_policy(exclude_repositories=("prj/tmp",), exclude_tags=("*-rc*",))
    assert matches(policy, an_event())
    assert not matches(policy, an_event(tag="v1-rc1"))
    assert not matches(policy, an_event(repository="prj/tmp"))


def test_untagged_event_is_not_excluded_by_its_tag() -> None:
    assert matches(a_policy(exclude_tags=("*",)), an_event(tag="", tags=()))


def test_delete_of_several_tags_passes_with_one_that_is_not_excluded() -> None:
    event = an_event(EventType.IMAGE_DELETE, tag="", tags=("v1-rc1", "v1"))
    assert matches(a_policy(exclude_tags=("*-rc*",)), event)
    assert matches(a_policy(tags=("v*",), exclude_tags=("*-rc*",)), event)
    assert not matches(a_policy(tags=("*-rc*",), exclude_tags=("*-rc*",)), event)
    assert not matches(a_policy(exclude_tags=("v*",)), event)


def test_excluded_version_of_a_chart_is_excluded_in_either_spelling() -> None:
    chart = an_event(EventType.CHART_PUSH).chart
    assert chart
    event = an_event(EventType.CHART_PUSH, chart=replace(chart, version="1.0.0+b"), tag="1.0.0_b")
    assert matches(a_policy(tags=("*+b",)), event)
    assert not matches(a_policy(exclude_tags=("*+b",)), event)
    assert not matches(a_policy(exclude_tags=("*_b",)), event)


@pytest.mark.parametrize(
    ("operators", "operator", "expected"),
    [
        ((), "alice", True),
        ((), "", True),
        (("alice",), "alice", True),
        (("alice",), "bob", False),
        (("robot$*",), "robot$prj+ci", True),
        (("robot$*", ""), "", True),
        (("?*",), "", False),
        (("?*",), "bob", True),
        (("",), "bob", False),
        (("system:serviceaccount:**",), "system:serviceaccount:ns/x", True),
    ],
)
def test_operators(operators: tuple[str, ...], operator: str, *, expected: bool) -> None:
    assert matches(a_policy(operators=operators), an_event(operator=operator)) is expected


_GLOBS = st.lists(st.text("ab*", min_size=1, max_size=3), max_size=3).map(tuple)


@given(_GLOBS, _GLOBS, st.lists(st.text("ab", min_size=1, max_size=3), max_size=3))
def test_excluding_only_ever_takes_away(
    tags: tuple[str, ...], but_not: tuple[str, ...], names: list[str]
) -> None:
    event = an_event(EventType.IMAGE_DELETE, tag="", tags=tuple(names))
    if matches(a_policy(tags=tags, exclude_tags=but_not), event):
        assert lets_pass(tags, event)
    if names and all(lets_pass(but_not, replace(event, tags=(name,))) for name in names) and but_not:
        assert not matches(a_policy(tags=tags, exclude_tags=but_not), event)


# Which target


def with_targets(*names: str) -> WebhookPolicy:
    return a_policy(targets=tuple(Target(address=f"https://{name}.example/") for name in names))


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
