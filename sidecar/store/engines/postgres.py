"""PostgreSQL's spellings (15 or newer).

Nothing runs on it yet: tests compile every shared statement against a real server.
"""

from typing import Final

from sidecar.store.engines.interface import Engine, Type

#: PostgreSQL's name of each type; its "real" has too few digits for a time.
TYPE_NAMES: Final[dict[Type, str]] = {
    "text": "text",
    "integer": "bigint",
    "real": "double precision",
    "blob": "bytea",
}


class _Postgres:
    def parameter(self, number: int, kind: Type | None) -> str:
        return f"cast(${number} AS {TYPE_NAMES[kind]})" if kind else f"${number}"

    def texts(self, parameter: str) -> str:
        return f"SELECT jsonb_array_elements_text(cast({parameter} AS jsonb))"

    def integers(self, parameter: str) -> str:
        return f"SELECT cast(jsonb_array_elements_text(cast({parameter} AS jsonb)) AS bigint)"

    def rows(self, parameter: str, *columns: str) -> str:
        values = (
            f"cast(element ->> {number} AS {_type_name(column)}) AS {column.split()[0]}"
            for number, column in enumerate(columns)
        )
        return (
            f"(SELECT nth, {', '.join(values)} "  # noqa: S608  # a part of a constant
            f"FROM jsonb_array_elements(cast({parameter} AS jsonb)) WITH ORDINALITY AS list (element, nth))"
        )

    def members(self, document: str, key: str, name: str) -> str:
        found = f"cast({document} AS jsonb) -> '{key}'"
        listed = f"CASE WHEN jsonb_typeof({found}) = 'array' THEN {found} ELSE '[]' END"
        return f"jsonb_array_elements_text({listed}) AS {name} (value)"

    def greatest(self, one: str, other: str) -> str:
        # greatest() passes over NULL, and SQLite's max() does not.
        return f"CASE WHEN {one} >= {other} THEN {one} WHEN {one} < {other} THEN {other} END"

    def least(self, one: str, other: str) -> str:
        return f"CASE WHEN {one} <= {other} THEN {one} WHEN {one} > {other} THEN {other} END"

    def by_index(self, index: str) -> str:
        del index  # its planner knows the sizes
        return ""

    def skip_locked(self) -> str:
        return "FOR UPDATE SKIP LOCKED"

    def commit_number(self) -> str:
        return "SELECT cast(cast(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint)"


def _type_name(column: str) -> str:
    kinds = {str(kind): name for kind, name in TYPE_NAMES.items()}
    return kinds[column.split()[1]]


POSTGRES: Final[Engine] = _Postgres()
