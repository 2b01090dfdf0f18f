from pathlib import Path

from sidecar.model.delivery import TargetKey
from sidecar.store.disabled import DisabledTarget, DisabledTargets, hash_of
from sidecar.store.sqlite import SqliteDatabase
from tests.support.builders import START
from tests.unit.commands.conftest import Run

FIRST, SECOND = (TargetKey(policy_id="prj/ci", target_id=name) for name in ("0", "taken out"))


async def test_targets_are_enabled_beside_a_running_sidecar(path: Path, run: Run, tmp_path: Path) -> None:
    with path.open("a") as file:
        file.write(f"data_volume: {tmp_path}\n")
    database = SqliteDatabase(tmp_path / "sidecar.db")
    database.open()
    targets = DisabledTargets(database)
    for target in (FIRST, SECOND):
        await targets.disable(
            DisabledTarget(target=target, address_hash=hash_of("x"), at=START, reason="gone")
        )

    result = run("enable-target", "ci", "--target", "0", "--config", str(path))
    assert (result.exit_code, result.output) == (0, "1 target is used again.\n")
    assert [found.target for found in await targets.all()] == [SECOND]
    assert run("enable-target", "ci", "--target", "1", "--config", str(path)).exit_code == 1
    assert run("enable-target", "prj/ci", "--config", str(path)).exit_code == 0
    result = run("enable-target", "prj/ci", "--config", str(path))
    assert (result.exit_code, result.output) == (1, "Error: No such target of prj/ci is disabled.\n")
    database.close()
