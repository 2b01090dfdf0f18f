from sidecar.model.delivery import TargetKey
from sidecar.store.disabled import DisabledTarget, DisabledTargets, enable_target, hash_of
from sidecar.store.sqlite import SqliteDatabase
from tests.support.builders import START

FIRST, SECOND = (TargetKey(policy_id="prj/ci", target_id=name) for name in ("a", "b"))
OTHER = TargetKey(policy_id="prj/cd", target_id="0")
ADDRESS = "https://chat.example.com/hooks/s3cret"


def disabled(target: TargetKey, address: str = ADDRESS) -> DisabledTarget:
    return DisabledTarget(target=target, address_hash=hash_of(address), at=START, reason="it is gone")


async def test_what_was_disabled_is_known_with_its_reason_but_not_its_address(
    database: SqliteDatabase,
) -> None:
    targets = DisabledTargets(database)
    await targets.disable(disabled(FIRST))
    await targets.disable(disabled(OTHER))
    assert await targets.all() == [disabled(OTHER), disabled(FIRST)]
    rows = await database.read(lambda sql: sql.execute("SELECT * FROM disabled_targets").fetchall())
    assert "s3cret" not in str(rows)


def test_another_address_is_another_target() -> None:
    assert disabled(FIRST).is_about(ADDRESS)
    assert not disabled(FIRST).is_about(f"{ADDRESS}/")


async def test_disabling_again_replaces(database: SqliteDatabase) -> None:
    targets = DisabledTargets(database)
    await targets.disable(disabled(FIRST, "https://old"))
    await targets.disable(disabled(FIRST))
    assert await targets.all() == [disabled(FIRST)]


async def test_enabling_takes_targets_out(database: SqliteDatabase) -> None:
    targets = DisabledTargets(database)
    for target in (FIRST, SECOND, OTHER):
        await targets.disable(disabled(target))
    await targets.enable([FIRST])
    assert [found.target for found in await targets.all()] == [OTHER, SECOND]


async def test_enabling_one_of_a_policy_or_all_of_it(database: SqliteDatabase) -> None:
    targets = DisabledTargets(database)
    for target in (FIRST, SECOND, OTHER):
        await targets.disable(disabled(target))
    assert await database.write(lambda sql: enable_target(sql, "prj/ci", "c")) == 0
    assert await database.write(lambda sql: enable_target(sql, "prj/ci", "b")) == 1
    assert await database.write(lambda sql: enable_target(sql, "prj/ci")) == 1
    assert await targets.all() == [disabled(OTHER)]
