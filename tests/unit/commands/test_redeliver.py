import sys
from pathlib import Path

import pytest

from sidecar.commands import redeliver
from sidecar.model.delivery import DeliveryState
from sidecar.store.sqlite import SqliteDatabase
from tests.unit.commands.conftest import Run
from tests.unit.store.test_history import CD, Shelf


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "Name deliveries, or say --failed --since 2h."),
        (("abcd", "--failed"), "not both"),
        (("--failed",), "say since when"),
        (("abcd", "--since", "1h"), "belong to --failed"),
        (("abcd", "--policy", "p"), "belong to --failed"),
    ],
)
def test_what_is_not_meant_is_refused(path: Path, run: Run, arguments: tuple[str, ...], says: str) -> None:
    result = run("redeliver", *arguments, "--config", str(path))
    assert result.exit_code == 2
    assert says in result.output


async def test_nothing_is_done_when_one_name_is_wrong(path: Path, run: Run, tmp_path: Path) -> None:
    with path.open("a") as file:
        file.write(f"data_volume: {tmp_path}\nnotification: {{enabled: false}}\n")
    database = SqliteDatabase(tmp_path / "sidecar.db")
    database.open()
    shelf = Shelf(database, tmp_path / "sidecar.db")
    mine, other = await shelf.keep(), await shelf.keep(target=CD)
    await shelf.end(mine, DeliveryState.GIVEN_UP)
    await shelf.end(other, DeliveryState.DELIVERED)

    result = run("redeliver", str(mine.id), "00000000-0000", "--config", str(path))
    assert (result.exit_code, shelf.ids(states=(DeliveryState.WAITING,))) == (1, [])

    result = run("redeliver", str(mine.id)[:13], str(mine.id), "--config", str(path))
    assert result.output.splitlines() == [
        "1 delivery is sent again.",
        "Webhooks are switched off (notification.enabled): they will be cancelled.",
    ]
    assert shelf.ids(states=(DeliveryState.WAITING,)) == [mine.id]
    shelf.sql.close()
    database.close()


def test_the_progress_of_many_is_shown_and_of_few_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(redeliver, "AT_ONCE", 2)

    def shown(*numbers: int) -> str:
        with redeliver._progress() as show:
            for number in (0, *numbers):
                show(number, sum(numbers))
        return "".join(capsys.readouterr())

    assert shown(2) == ""
    assert shown(2, 2, 1) == "", "nobody sees it"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert shown(2) == ""
    assert "Queueing" in shown(2, 2, 1)
