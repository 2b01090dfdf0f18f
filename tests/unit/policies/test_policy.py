from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.event import Event, EventType
from sidecar.policies.policy import WebhookPolicy, matches
from tests.unit.formats.samples import DIGEST, an_event


def a_policy(**more: Any) -> WebhookPolicy:
    return WebhookPolicy(**{"id": "prj/ci", "project": "prj", "name": "ci"} | more)


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


def test_repositories_are_chosen_by_globs() -> None:
    policy = a_policy(project="*", repositories=("prj/{web,api}-*", "team/**"))
    assert matches(policy, an_event(repository="prj/api-1"))
    assert matches(policy, an_event(repository="team/a/b"))
    assert not matches(policy, an_event(repository="prj/db-1"))


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
