"""The program of today, started on the database of an earlier version: nothing that waited is lost.

The databases were written by the real program of their day (tests/golden/database).
"""

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.crash.support import Upstreams
from tests.crash.write_database import ACCEPTED, FOLDER, Proxied
from tests.support.images import upload
from tests.support.process import wait_until
from tests.support.receiver import Received, Receiver

pytestmark = [pytest.mark.crash, pytest.mark.timeout(180)]

DATABASES = sorted(FOLDER.glob("*.sql"))
#: Where each target's webhooks go, but for the one that is gone.
ALL = ("/ci/first", "/ci/second", "/ci/second?again", "/ops", "/audit", "/slow")
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Upgraded:
    """What is there once the new version has nothing left to do."""

    sidecar: Proxied
    database: Path
    received: list[tuple[str, str]]  #: path and event id of each webhook
    bodies: list[Received]


def reordered(policies: dict[str, Json]) -> None:
    for policy in policies.values():
        policy["targets"].reverse()


def corrected(policies: dict[str, Json]) -> None:
    policies["ci"]["targets"][0]["address"] = "http://waiting.example.com/ci/corrected"


def one_more(policies: dict[str, Json]) -> None:
    policies["ci"]["targets"].insert(0, {"address": "http://waiting.example.com/ci/new"})


def one_less(policies: dict[str, Json]) -> None:
    del policies["ci"]["targets"][0]


@contextmanager
def upgraded(
    database: Path, registry: str, folder: Path, change: Callable[[dict[str, Json]], None] | None = None
) -> Iterator[Upgraded]:
    upload(ACCEPTED, registry_url=registry, repository="prj/accepted", tag="v1")
    with Receiver() as receiver:
        sidecar = Proxied(folder / "sidecar", registry=registry, proxy=receiver.url)
        if change:
            change({found["name"]: found for found in sidecar.harbor_yml["projects"][0]["webhook_policies"]})
            sidecar.write_configuration()
        file = sidecar.folder / "data" / "sidecar.db"
        with closing(sqlite3.connect(file)) as sql:
            sql.executescript(database.read_text())
        with sidecar:
            wait_until(lambda: _is_settled(file), 90, what="everything to be delivered and settled")
            webhooks = [(_path(request), request.header("webhook-id")) for request in receiver.settle()]
            yield Upgraded(sidecar, file, webhooks, receiver.requests)


def _is_settled(file: Path) -> bool:
    unfinished = "SELECT 1 FROM deliveries WHERE state IN ('waiting', 'sending')"
    return not rows(file, f"{unfinished} UNION ALL SELECT 1 FROM intents UNION ALL SELECT 1 FROM held")


def _path(request: Received) -> str:
    """The path of the address: a forward proxy is asked for all of it."""
    return "/" + request.path.removeprefix("http://").partition("/")[2]


def rows(file: Path, question: str) -> list[Any]:
    with closing(sqlite3.connect(file)) as sql:
        return sql.execute(question).fetchall()


def waited(database: Path) -> list[tuple[str, str]]:
    """Path and event id of each delivery that waited or was being sent, but for the target that is gone."""
    targets = {"prj/ci": ALL[:3], "prj/ops": ("", ALL[3]), "prj/audit": (ALL[4],), "prj/slow": (ALL[5],)}
    with closing(sqlite3.connect(":memory:")) as sql:
        sql.executescript(database.read_text())
        found = sql.execute(
            "SELECT policy_id, target_index, event_id FROM deliveries WHERE state IN ('waiting', 'sending')"
        ).fetchall()
    return [(path, event) for policy, index, event in found if (path := targets[policy][index])]


def told_of(it: Upgraded, event_type: str, repository: str) -> list[str]:
    """The paths that were told of such an event, of targets with the documented format."""
    return sorted(
        _path(request)
        for request in it.bodies
        if _path(request) in {"/ci/first", "/ci/corrected", "/audit", "/slow"}
        if (body := request.json())["event_type"] == event_type
        and body["events"][0]["full_name"] == repository
    )


@pytest.mark.parametrize("database", DATABASES, ids=lambda found: found.stem)
@pytest.mark.parametrize(
    ("change", "first"),
    [(None, "/ci/first"), (reordered, "/ci/first"), (one_more, "/ci/first"), (corrected, "/ci/corrected")],
    ids=["as it was", "reordered", "one more", "corrected"],
)
def test_an_upgrade_loses_nothing(
    database: Path,
    change: Callable[[dict[str, Json]], None] | None,
    first: str,
    upstreams: Upstreams,
    tmp_path: Path,
) -> None:
    """`first`: where it goes what waits for the first target of `ci`."""
    with upgraded(database, upstreams.registry.url, tmp_path, change) as it:
        expected = Counter((path.replace("/ci/first", first), event) for path, event in waited(database))
        came = Counter(found for found in it.received if found[0] != "/ci/new")
        assert len(expected) > 10
        assert {found: number for found, number in came.items() if found in expected} == expected
        assert set(came.values()) == {1}
        old = {event for _, event in expected}
        # A push that was held, one that is settled, a pull and a delete: each to every target that wants it.
        assert sorted(Counter(event for _, event in came if event not in old).values()) == [5, 5, 6, 6]
        assert told_of(it, "pullImage", "prj/app") == ["/audit", first]
        assert told_of(it, "pushImage", "prj/held") == ["/audit", first, "/slow"]
        assert told_of(it, "pushImage", "prj/accepted") == ["/audit", first, "/slow"]
        assert told_of(it, "deleteImage", "prj/deleted") == ["/audit", first]
        assert told_of(it, "pushImage", "prj/never-sent") == []
        assert_is_disabled(it)


@pytest.mark.parametrize("database", DATABASES, ids=lambda found: found.stem)
def test_what_waits_for_a_target_that_is_taken_out_goes_to_no_other(
    database: Path, upstreams: Upstreams, tmp_path: Path
) -> None:
    with upgraded(database, upstreams.registry.url, tmp_path, one_less) as it:
        expected = {found for found in waited(database) if found[0] != "/ci/first"}
        assert expected <= set(it.received)
        assert len(set(it.received)) == len(it.received)
        assert "/ci/first" not in {path for path, _ in it.received}
        assert rows(it.database, "SELECT DISTINCT reason FROM deliveries WHERE state = 'cancelled'")
        assert_is_disabled(it)


def assert_is_disabled(it: Upgraded) -> None:
    """The target that answered 410 is asked for nothing."""
    assert not [request for request in it.bodies if request.header("Host") == "gone.example.com"]
    assert len(rows(it.database, "SELECT 1 FROM disabled_targets")) == 1
