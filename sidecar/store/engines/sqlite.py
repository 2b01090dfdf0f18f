"""SQLite's spellings (3.35 or newer)."""

from typing import Final

from sidecar.store.engines.interface import Engine, Type


class _Sqlite:
    def parameter(self, number: int, kind: Type | None) -> str:
        del kind  # a value has its own
        return f"?{number}"

    def texts(self, parameter: str) -> str:
        return f"SELECT value FROM json_each({parameter})"  # noqa: S608  # a part of a constant

    def integers(self, parameter: str) -> str:
        return f"SELECT value FROM json_each({parameter})"  # noqa: S608  # a part of a constant

    def rows(self, parameter: str, *columns: str) -> str:
        names = (column.split()[0] for column in columns)
        values = (f"json_extract(value, '$[{number}]') AS {name}" for number, name in enumerate(names))
        return f"(SELECT key AS nth, {', '.join(values)} FROM json_each({parameter}))"  # noqa: S608  # a part of a constant

    def members(self, document: str, key: str, name: str) -> str:
        # Whatever somebody wrote there, the statement is not to fail.
        return (
            f"json_each(CASE WHEN json_valid({document}) THEN {document} ELSE '[]' END, '$.{key}') AS {name}"
        )

    def greatest(self, one: str, other: str) -> str:
        return f"max({one}, {other})"

    def least(self, one: str, other: str) -> str:
        return f"min({one}, {other})"

    def by_index(self, index: str) -> str:
        return f"INDEXED BY {index}"

    def skip_locked(self) -> str:
        return ""

    def commit_number(self) -> str:
        return "PRAGMA data_version"


SQLITE: Final[Engine] = _Sqlite()
