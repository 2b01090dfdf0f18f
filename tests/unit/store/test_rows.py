import sqlite3

from structlog.testing import capture_logs

from sidecar.store.engines.sqlite_rows import give_up_ill_typed
from sidecar.store.file import migrate
from sidecar.store.rows import Row, give_up, readable


def test_a_row_that_cannot_be_read_stops_no_other_and_is_handed_on() -> None:
    rows: list[Row] = [("a", "1"), ("b", None), ("c", "3")]
    marked: list[Row] = []
    with capture_logs() as lines:
        found = readable(rows, lambda row: int(row[1]), table="held", on_unreadable=marked.append)
    assert (found, marked) == ([1, 3], [("b", None)])
    assert [line["error"].startswith("held b: TypeError") for line in lines] == [True]


def test_of_what_waits_only_what_no_queue_can_hold_is_given_up() -> None:
    sql = sqlite3.connect(":memory:", isolation_level=None)
    migrate(sql)
    times = [("1.5", "2"), ("'x'", "2"), ("1", "1e300"), ("-1", "1"), ("1e10", "1")]
    for number, (created_at, next_attempt_at) in enumerate(times):
        sql.execute(
            "INSERT INTO deliveries (id, event_id, event_type, policy_id, position, project, repository, "
            f"content_type, body, state, created_at, next_attempt_at) VALUES ({number}, '', '', 'p', 0, '', '', '', "
            f"x'', 'waiting', {created_at}, {next_attempt_at})"
        )
    give_up_ill_typed(sql, at_s=7.5)
    rows = sql.execute("SELECT state, finished_at, next_attempt_at FROM deliveries ORDER BY seq").fetchall()
    given_up = ("given_up", 7.5, None)
    assert rows == [("waiting", None, 2.0), given_up, given_up, given_up, ("waiting", None, 1.0)]
    give_up(sql, 1, at_s=8.5)
    assert sql.execute("SELECT finished_at FROM deliveries WHERE seq = 1").fetchone() == (8.5,)
