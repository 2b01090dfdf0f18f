"""What a statement may ask of an engine: the few things that SQLite and PostgreSQL spell differently.

Each method is a fragment, written in a statement as `{method(arguments)}` (`store/statement.py`), and answers
SQL. Arguments are SQL themselves, mostly parameters (`:name`) and columns. Everything else in a statement
is the language of both: ON CONFLICT, RETURNING, UPDATE ... FROM, row values, partial indexes.
"""

from typing import Final, Literal, Protocol

#: Types of parameters and of the columns of `rows`, by their names in SQL that both engines know.
Type = Literal["text", "integer", "real", "blob"]
TYPES: Final[tuple[Type, ...]] = ("text", "integer", "real", "blob")


class Engine(Protocol):
    """SQLite or PostgreSQL, as far as text is concerned."""

    def parameter(self, number: int, kind: Type | None) -> str:
        """The parameter that is given as the `number`th, from 1.

        kind   its type, where a statement says it; an engine that infers types needs it here and there
        """
        ...

    # Many values in one parameter: a JSON text, so that one statement does for any number of them.

    def texts(self, parameter: str) -> str:
        """A query of the texts in a JSON list: `repository NOT IN ({texts(:skipped)})`."""
        ...

    def integers(self, parameter: str) -> str:
        """A query of the whole numbers in a JSON list."""
        ...

    def rows(self, parameter: str, *columns: str) -> str:
        """A table of a JSON list of lists, for FROM; needs a name.

        columns   `name type` each, in the order of the inner lists; `nth` counts the rows, in order
        """
        ...

    def members(self, document: str, key: str, name: str) -> str:
        """A table of what a list in a JSON document holds, for FROM, as `name.value`; empty where there is no list."""
        ...

    # Functions

    def greatest(self, one: str, other: str) -> str:
        """The larger of two values; NULL where one of them is."""
        ...

    def least(self, one: str, other: str) -> str:
        """The smaller of two values; NULL where one of them is."""
        ...

    # How a table is read

    def by_index(self, index: str) -> str:
        """After a table: the index to go by, for an engine whose planner knows no sizes."""
        ...

    def skip_locked(self) -> str:
        """After a query whose rows are claimed next: those that another transaction claims are passed over.

        Where there is one writer at a time, nothing is to be said.
        """
        ...

    # Other processes

    def commit_number(self) -> str:
        """A query of a number that is another one after another process has committed.

        What a poll asks; an engine that can wake up those who wait does not make it unnecessary, since a
        notification is lost with its connection.
        """
        ...
