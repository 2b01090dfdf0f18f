"""Parts of a statement that reads of many tables at once: each stands in the file of its table.

A part is a SELECT of its kind, six texts and six numbers, of which it uses the first few. Parts are joins of lists
with tables, without a list of values, recursion, order or DISTINCT: for each of those SQLite opens a table of its own, of
90 KB, and ten of them cost ten times as much as all that is looked up.
"""

from collections.abc import Collection
from typing import Final, NamedTuple

#: No row, but the types of all columns, which PostgreSQL goes by.
_HEAD: Final = """
SELECT 'none' AS kind, '' AS t1, '' AS t2, '' AS t3, '' AS t4, '' AS t5, '' AS t6,
    0.0 AS n1, 0.0 AS n2, 0.0 AS n3, 0.0 AS n4, 0.0 AS n5, 0.0 AS n6 WHERE 1 = 0
"""


class Select(NamedTuple):
    kind: str  #: that its rows begin with
    text: str


def text_of(parts: Collection[Select]) -> str:
    """The text of one statement of these parts."""
    return " UNION ALL ".join([_HEAD, *sorted(part.text for part in parts)])
