"""SQL that is written once for SQLite and PostgreSQL.

A statement is a constant of the file that is named after what it keeps:

    _FORGET: Final = Statement(
        "Forget what was seen before a time, but for some.",
        "DELETE FROM tags WHERE seen_at < :before AND tag NOT IN ({texts(:kept)})",
    )

    _FORGET.run(sql, before=before_s, kept=json.dumps(["latest"]))

The sentence says what it does, for whoever reads the file or a report of a test. The text is whole: no f-string, nothing
glued to it. `:name` is a parameter, given by its name. What the engines spell differently is a fragment
in braces, a method of `engines.interface.Engine`.

Where PostgreSQL cannot infer the type of a parameter (it is selected, or used in two ways), it is said:
`Statement(purpose, text, at="real")`; the test that compiles every statement against a real PostgreSQL tells.
In the SET of ON CONFLICT, columns of the row that is there are written with their table (`tags.seen_at`). A flag
is an INTEGER, 0 or 1. Times are given by the caller: there is no clock in SQL.

Where people ask with more or fewer conditions, each is a clause of `Variants`, in brackets. It stands only where its
parameters are given:

    _OF: Final = Variants("Tags.", "SELECT tag FROM tags WHERE repository = :repository [AND seen_at >= :since]")

    _OF.run(sql, repository="prj/app")

A text is made once, when its file is imported (a variant when it is first asked for), and is the same for each call, as
SQLite's cache of statements wants it.
SQL that only one engine has (PRAGMA, savepoints, damaged rows) stands in the files of that engine.
"""

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import combinations
from operator import itemgetter
from typing import Any, Final

from sidecar.store.engines.interface import Engine, Type
from sidecar.store.engines.sqlite import SQLITE

_FRAGMENT: Final = re.compile(r"\{(\w+)\(([^{}]*)\)\}")
_PARAMETER: Final = re.compile(r"(?<![:\w]):([a-z]\w*)")
_COMMA: Final = re.compile(r",\s*(?![^()]*\))")
_CLAUSE: Final = re.compile(r"\[([^\[\]]*)\]")


class Statement:
    """One statement, for any engine."""

    __slots__ = ("_types", "_values", "parameters", "purpose", "shared", "text")

    def __init__(self, purpose: str, text: str, /, **types: Type) -> None:
        """`types`: of parameters whose type cannot be inferred."""
        self.purpose: Final = purpose
        self.shared: Final = " ".join(text.split())
        self.parameters: Final = tuple(dict.fromkeys(_PARAMETER.findall(self.shared)))  #: as first named
        self._types: Final = types
        self._values: Final = _in_order(self.parameters)
        self.text: Final = self.text_for(SQLITE)
        if not types.keys() <= set(self.parameters):
            raise ValueError(f"types of parameters that are not there: {purpose}")

    def __repr__(self) -> str:
        return f"Statement({self.purpose!r})"

    def text_for(self, engine: Engine) -> str:
        whole = _FRAGMENT.sub(partial(_fragment, engine), self.shared)
        return _PARAMETER.sub(partial(self._parameter, engine), whole).strip()

    def _parameter(self, engine: Engine, found: re.Match[str]) -> str:
        name = found[1]
        return engine.parameter(self.parameters.index(name) + 1, self._types.get(name))

    def run(self, sql: sqlite3.Connection, /, **values: object) -> sqlite3.Cursor:
        """Run it once; a parameter that is not given is a KeyError."""
        return sql.execute(self.text, self._values(values))

    def run_many(self, sql: sqlite3.Connection, each: Iterable[Mapping[str, object]], /) -> sqlite3.Cursor:
        """Run it for each of these values; `rowcount` is their sum."""
        return sql.executemany(self.text, map(self._values, each))


class Variants:
    """A statement with clauses that are left out where their parameters are not given."""

    def __init__(self, purpose: str, text: str, /, **types: Type) -> None:
        self.purpose: Final = purpose
        self._text: Final = text
        self._types: Final = types
        self._optional: Final = frozenset(
            name for clause in _CLAUSE.findall(text) for name in _PARAMETER.findall(clause)
        )
        self._made: Final[dict[frozenset[str], Statement]] = {}

    def all(self) -> Iterator[tuple[frozenset[str], Statement]]:
        """Each of them, with the parameters of the clauses that stand in it."""
        names = sorted(self._optional)
        for number in range(len(names) + 1):
            for given in combinations(names, number):
                yield frozenset(given), self.of(given)

    def of(self, given: Iterable[str]) -> Statement:
        """The one for these parameters; always the same."""
        names = self._optional.intersection(given)
        if names not in self._made:
            self._made[names] = self._with(names)
        return self._made[names]

    def run(self, sql: sqlite3.Connection, /, **values: object) -> sqlite3.Cursor:
        return self.of(values).run(sql, **values)

    def _with(self, given: frozenset[str]) -> Statement:
        text = _CLAUSE.sub(partial(_clause, given), self._text)
        found = set(_PARAMETER.findall(text))
        types = {name: kind for name, kind in self._types.items() if name in found}
        return Statement(self.purpose, text, **types)


def _clause(given: frozenset[str], found: re.Match[str]) -> str:
    return found[1] if given.issuperset(_PARAMETER.findall(found[1])) else ""


def _fragment(engine: Engine, found: re.Match[str]) -> str:
    arguments = _COMMA.split(found[2]) if found[2] else []
    answer: str = getattr(engine, found[1])(*arguments)
    return answer


def _in_order(parameters: tuple[str, ...]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """What takes a statement's values, by name, into the order in which the database wants them."""
    match parameters:
        case ():
            return lambda _values: ()
        case (only,):
            return lambda values: (values[only],)
        case _:
            return itemgetter(*parameters)
