"""`sidecar redeliver`: the same deliveries once more; the running sidecar sends them within seconds."""

import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from sidecar import wiring
from sidecar.commands.common import (
    config_option,
    database,
    echo_json,
    json_option,
    policy_id,
    policy_option,
    read_settings,
    since_option,
)
from sidecar.commands.deliveries import resolve
from sidecar.commands.text import plain
from sidecar.commands.times import moment_option
from sidecar.config import Settings
from sidecar.remake import remake
from sidecar.store.beside import Connection
from sidecar.store.history import FAILED, Chosen, History
from sidecar.store.redelivery import AT_ONCE, Bodiless, all_bodiless, bodiless, redeliver, redeliver_all


@click.command("redeliver")
@click.argument("identities", metavar="[ID]...", nargs=-1)
@click.option("--failed", is_flag=True, help="All that were given up or cancelled in a time range.")
@since_option("With --failed: that ended since then")
@click.option(
    "--until", type=moment_option, help="With --failed: that ended until then; left out: until now."
)
@policy_option
@json_option
@config_option
def command(
    identities: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    policy: str,
    config: Path,
    *,
    failed: bool,
    as_json: bool,
) -> None:
    """Send deliveries again, with the same event ids.

    Named ones in whatever state, also those that have arrived; or with --failed all that did not. They
    have all their tries again. What a template failed for is made with the template of now.
    `sidecar deliveries --state failed --since …` shows which those are.
    """
    _check_usage(identities, since=since, until=until, policy=policy, failed=failed)
    settings = read_settings(config)
    with database(settings, writable=True) as connection:
        if failed:
            chosen = Chosen(
                policy_id=policy_id(settings, policy), states=FAILED, since=since, until=until or _now()
            )
            _remake(connection, all_bodiless(connection, chosen), settings)
            number = _redeliver_failed(connection, chosen)
        else:
            number = _redeliver_named(connection, identities, settings)
    _report(number, settings, as_json=as_json)


def _check_usage(identities: tuple[str, ...], *, failed: bool, **range_of_time: Any) -> None:
    if failed and identities:
        raise click.UsageError("Name deliveries, or say --failed; not both.")
    if failed and not range_of_time["since"]:
        raise click.UsageError("With --failed say since when, as --since 2h.")
    if not failed and not identities:
        raise click.UsageError("Name deliveries, or say --failed --since 2h.")
    if not failed and any(range_of_time.values()):
        raise click.UsageError("--since, --until and --policy belong to --failed.")


def _remake(connection: Connection, unmade: list[Bodiless], settings: Settings) -> None:
    faults = remake(connection, unmade, wiring.pipeline_settings(settings))
    for identity, fault in faults.items():
        click.echo(f"{identity} is not sent: {plain(fault)}", err=True)


def _redeliver_named(connection: Connection, identities: tuple[str, ...], settings: Settings) -> int:
    history = History(connection)
    found = [resolve(history, identity) for identity in identities]  # all of them, or nothing is done
    _remake(connection, bodiless(connection, found), settings)
    return redeliver(connection, dict.fromkeys(found), at=_now())


def _redeliver_failed(connection: Connection, chosen: Chosen) -> int:
    total = History(connection).count(chosen)
    return sum(_with_progress(redeliver_all(connection, chosen, at=_now()), total))


def _with_progress(numbers: Iterable[int], total: int) -> Iterator[int]:
    if total <= AT_ONCE or not sys.stderr.isatty():
        yield from numbers
        return
    with click.progressbar(length=total, label="Queueing", file=sys.stderr) as bar:
        for number in numbers:
            bar.update(number)
            yield number


def _report(number: int, settings: Settings, *, as_json: bool) -> None:
    if as_json:
        echo_json({"redelivered": number})
    else:
        click.echo(f"{number} {'delivery is' if number == 1 else 'deliveries are'} sent again.")
    if not number:
        raise click.exceptions.Exit(1)
    if not settings.notification.enabled:
        click.echo("Webhooks are switched off (notification.enabled): they will be cancelled.", err=True)


def _now() -> datetime:
    return datetime.now(UTC)
