from datetime import timedelta

from sidecar.model.delivery import TargetKey
from sidecar.store.away import AwayTarget, AwayTargets
from sidecar.store.disabled import hash_of
from sidecar.store.sqlite import SqliteDatabase
from tests.support.builders import START

FIRST, SECOND = (TargetKey(policy_id="prj/ci", target_id=name) for name in ("a", "b"))
ADDRESS = "https://chat.example.com/hooks/s3cret"


def away(target: TargetKey, *, until_s: float = 60) -> AwayTarget:
    return AwayTarget(
        target=target,
        address_hash=hash_of(ADDRESS),
        since=START,
        until=START + timedelta(seconds=until_s),
        reason="answered 503",
    )


async def test_what_is_noted_is_read_without_the_address(database: SqliteDatabase) -> None:
    targets = AwayTargets(database)
    await targets.note(away(SECOND))
    await targets.note(away(FIRST))
    assert await targets.all() == [away(FIRST), away(SECOND)]
    rows = await database.read(lambda sql: sql.execute("SELECT * FROM away_targets").fetchall())
    assert "s3cret" not in str(rows)
    assert away(FIRST).is_about(ADDRESS)
    assert not away(FIRST).is_about(f"{ADDRESS}/")


async def test_noting_again_replaces_and_forgetting_takes_out(database: SqliteDatabase) -> None:
    targets = AwayTargets(database)
    for until_s in (60, 120):
        await targets.note(away(FIRST, until_s=until_s))
    await targets.note(away(SECOND))
    assert await targets.all() == [away(FIRST, until_s=120), away(SECOND)]
    await targets.forget([SECOND])
    assert await targets.all() == [away(FIRST, until_s=120)]


async def test_a_row_that_cannot_be_read_hides_no_other(database: SqliteDatabase) -> None:
    targets = AwayTargets(database)
    for target in (FIRST, SECOND):
        await targets.note(away(target))
    await database.write(lambda sql: sql.execute("UPDATE away_targets SET until = 'x' WHERE target_id = 'a'"))
    assert await targets.all() == [away(SECOND)]
