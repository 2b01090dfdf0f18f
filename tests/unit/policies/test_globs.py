import re
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.policies.globs import is_glob_of


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
    assert is_glob_of(glob, name) is expected


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
    assert is_glob_of(glob, name) is reference_match(glob, name)


@pytest.mark.parametrize(
    "glob", ["*a" * 30 + "b", "**a" * 30 + "b", "**/*a" * 20 + "b", "{a,a}" * 40, "{" * 2000, "{a}" * 2000]
)
def test_no_glob_is_slow(glob: str) -> None:
    began = process_time()
    is_glob_of(glob, "a" * 255)
    is_glob_of(glob, "a/" * 127)
    assert process_time() - began < 2


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_text_is_a_glob(glob: str, name: str) -> None:
    is_glob_of(glob, name)
