"""`sidecar redeliver`: the same deliveries once more; the running sidecar sends them within seconds."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from sidecar.commands.common import (
    answers,
    config_option,
    echo_json,
    json_option,
    policy_id,
    policy_option,
    read_settings,
    since_option,
)
from sidecar.commands.text import plain
from sidecar.commands.times import moment_option
from sidecar.config import Settings
from sidecar.services.redelivery import Redelivered, redeliver_failed, redeliver_named
from sidecar.store.redelivery import AT_ONCE


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
    with answers():
        if since:
            wanted = policy_id(settings, policy)
            with _progress() as show:
                done = redeliver_failed(settings, since=since, until=until, policy=wanted, on_progress=show)
        else:
            done = redeliver_named(settings, identities)
    _report(done, settings, as_json=as_json)


def _check_usage(identities: tuple[str, ...], *, failed: bool, **range_of_time: Any) -> None:
    if failed and identities:
        raise click.UsageError("Name deliveries, or say --failed; not both.")
    if failed and not range_of_time["since"]:
        raise click.UsageError("With --failed say since when, as --since 2h.")
    if not failed and not identities:
        raise click.UsageError("Name deliveries, or say --failed --since 2h.")
    if not failed and any(range_of_time.values()):
        raise click.UsageError("--since, --until and --policy belong to --failed.")


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """Progress, shown for many deliveries on a terminal."""
    with ExitStack() as bars:
        bar: Any = None

        def show(number: int, total: int) -> None:
            nonlocal bar
            if total <= AT_ONCE or not sys.stderr.isatty():
                return
            bar = bar or bars.enter_context(
                click.progressbar(length=total, label="Queueing", file=sys.stderr)
            )
            bar.update(number)

        yield show


def _report(done: Redelivered, settings: Settings, *, as_json: bool) -> None:
    for identity, fault in done.unencoded.items():
        click.echo(f"{identity} is not sent: {plain(fault)}", err=True)
    if as_json:
        echo_json({"redelivered": done.number})
    else:
        click.echo(f"{done.number} {'delivery is' if done.number == 1 else 'deliveries are'} sent again.")
    if not done.number:
        raise click.exceptions.Exit(1)
    if not settings.notification.enabled:
        click.echo("Webhooks are switched off (notification.enabled): they will be cancelled.", err=True)
