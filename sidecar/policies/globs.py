"""The globs of policies, read as Harbor's own selectors (doublestar) read them."""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import Final

_WHOLE_COMPONENTS = re.compile(r"(?<![^/{,])(?:\*\*/)+")
_INNERMOST_BRACES = re.compile(r"\{([^{}]*)\}")
_MOST_ALTERNATIVES: Final = 256  #: of one glob; more are not looked at


def is_glob_of(glob: str, name: str) -> bool:
    """Whether a glob of a policy matches a name."""
    return bool(_glob(glob).fullmatch(name))


@lru_cache(maxsize=1024)
def _glob(glob: str) -> re.Pattern[str]:
    """`*` stays within a path component, `**` crosses slashes, `?` is one character, `{a,b}` is either.

    `a/**/b` matches `a/b` too. Harbor's own selectors (doublestar) read the same.
    """
    return re.compile("|".join(map(_translate, plain_globs(_WHOLE_COMPONENTS.sub("{**/,}", glob)))))


def plain_globs(glob: str) -> Iterator[str]:
    """The globs without `{a,b}` that one stands for."""
    return islice(_alternatives(glob), _MOST_ALTERNATIVES)


def _alternatives(glob: str) -> Iterator[str]:
    left = [glob]
    while left:
        glob = left.pop()
        braces = _INNERMOST_BRACES.search(glob)
        if not braces:
            yield glob
            continue
        before, after = glob[: braces.start()], glob[braces.end() :]
        left += [f"{before}{alternative}{after}" for alternative in reversed(braces[1].split(","))]


def _translate(glob: str) -> str:
    # Of each star but the last, the shortest match is the best: the groups are atomic, so that no glob
    # and no name make the matching slow.
    first, *rest = glob.split("**")
    if not rest:
        return _within_component(first, is_end=True)
    between = "".join(f"(?>.*?{_within_component(part, is_end=False)})" for part in rest[:-1])
    return f"{_within_component(first, is_end=False)}{between}.*{_within_component(rest[-1], is_end=True)}"


def _within_component(glob: str, *, is_end: bool) -> str:
    first, *rest = (re.escape(part).replace(r"\?", "[^/]") for part in glob.split("*"))
    end = f"[^/]*{rest.pop()}" if rest and is_end else ""
    return first + "".join(f"(?>[^/]*?{part})" for part in rest) + end
