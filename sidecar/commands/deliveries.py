"""`sidecar deliveries`: the list, and `sidecar deliveries show`: one in full detail."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from sidecar.commands.away import away_words
from sidecar.commands.common import (
    answers,
    config_option,
    echo_json,
    event_type_option,
    json_option,
    policy_id,
    policy_option,
    project_option,
    read_settings,
    since_option,
)
from sidecar.commands.text import echo_table, plain, table, terminal_width, when
from sidecar.model.delivery import DeliveryState
from sidecar.model.event import EventType
from sidecar.services.deliveries import (
    FAILED_WORD,
    DeliveryStatus,
    WholeDelivery,
    delivery_document,
    list_deliveries,
    payload_of,
    show_delivery,
    states_named,
    whole_delivery_document,
)
from sidecar.store.history import Chosen, RecordedAttempt

_SHORT_ID: Final = 13  # two groups of a UUID, which are unique among millions
_TITLES: Final = (
    "ID",
    "CREATED (UTC)",
    "STATE",
    "EVENT TYPE",
    "REPOSITORY",
    "POLICY",
    "TRIES",
    "LAST ANSWER",
)
_ATTEMPT_TITLES: Final = ("TRY", "BEGAN (UTC)", "TOOK", "STATUS", "ADDRESS", "ERROR")


@click.group("deliveries", invoke_without_command=True)
@policy_option
@project_option
@click.option(
    "--state",
    type=click.Choice([*map(str, DeliveryState), FAILED_WORD]),
    help="Only in this state; failed: given_up or cancelled.",
)
@event_type_option
@since_option("Created since then, or for a state that is final, ended since then")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="Not more of them.")
@json_option
@config_option
@click.pass_context
def command(  # noqa: PLR0917  # click hands over what is there
    ctx: click.Context,
    policy: str,
    project: str,
    state: str | None,
    event_type: EventType | None,
    since: datetime | None,
    limit: int,
    config: Path,
    *,
    as_json: bool,
) -> None:
    """List what was sent, or is to be sent, to whom, and how it went.

    The newest come first. `sidecar deliveries show ID` shows one with its payload and every attempt.
    """
    if ctx.invoked_subcommand:
        return
    settings = read_settings(config)
    chosen = Chosen(
        policy_id=policy_id(settings, policy),
        project=project,
        event_type=event_type,
        states=states_named(state),
        since=since,
    )
    with answers():
        found = list_deliveries(settings, chosen, limit=limit)
    now = datetime.now(UTC)
    if as_json:
        echo_json({"deliveries": [delivery_document(status, now=now) for status in found]})
    elif found:
        echo_table([_TITLES, *(_row(status, now=now) for status in found)])
    else:
        click.echo("No deliveries.")


@command.command("show")
@click.argument("identity", metavar="ID")
@json_option
@click.option("--config", type=click.Path(path_type=Path), help="Where harbor.yml is.")
@click.pass_context
def show(ctx: click.Context, identity: str, config: Path | None, *, as_json: bool) -> None:
    """Show one delivery: what it is, its payload, every attempt.

    The beginning of its id is enough where it fits no other.
    """
    given = ctx.parent.params if ctx.parent else {}
    settings = read_settings(config or given["config"])
    with answers():
        whole = show_delivery(settings, identity)
    if as_json or given["as_json"]:
        echo_json(whole_delivery_document(whole, now=datetime.now(UTC)))
    else:
        _show(whole)


def _row(status: DeliveryStatus, *, now: datetime) -> tuple[str, ...]:
    recorded = status.recorded
    return (
        str(recorded.id)[:_SHORT_ID],
        when(recorded.created_at),
        recorded.state,
        recorded.event_type,
        recorded.repository,
        str(recorded.target),
        str(recorded.attempts),
        _outcome(status, now=now),
    )


def _outcome(status: DeliveryStatus, *, now: datetime) -> str:
    last = status.recorded.last_attempt
    answer = (last.error or str(last.status)) if last else "-"
    if status.waits_for_target:
        words = f"target is {away_words(status.waits_for_target, now=now)}"
        return f"{answer}; {words}" if last else words
    return status.recorded.reason or answer


def _show(whole: WholeDelivery) -> None:
    # Not cut at the terminal's edge: it can be read nowhere else.
    _echo(table(_rows(whole.status, now=datetime.now(UTC))))
    click.echo("\nHeaders")
    _echo(f"  {plain(name)}: {plain(value)}" for name, value in whole.headers.items())
    click.echo("\nPayload")
    _echo(f"  {plain(line)}" for line in _payload_text(whole.body).splitlines())
    click.echo()
    if not whole.attempts:
        click.echo("No attempts yet.")
        return
    _echo(table([_ATTEMPT_TITLES, *map(_attempt_row, whole.attempts)], terminal_width()))
    for attempt in whole.attempts:
        _show_excerpt(attempt)


def _rows(status: DeliveryStatus, *, now: datetime) -> list[tuple[str, str]]:
    recorded, away = status.recorded, status.away
    rows = {
        "id": str(recorded.id),
        "event id": str(recorded.event_id),
        "event type": str(recorded.event_type),
        "project": recorded.project,
        "repository": recorded.repository,
        "policy": recorded.target.policy_id,
        "target": f"{status.position}, {away_words(away, now=now)}" if away else str(status.position),
        "state": f"{recorded.state}: {recorded.reason}" if recorded.reason else str(recorded.state),
        "created": f"{when(recorded.created_at)} UTC",
        "ended": f"{when(recorded.finished_at)} UTC" if recorded.finished_at else "",
        "next attempt": _next_attempt(status, now=now),
        "attempts": f"{recorded.attempts}, failed since it was last queued: {recorded.failures}",
    }
    return [(name, value) for name, value in rows.items() if value]


def _next_attempt(status: DeliveryStatus, *, now: datetime) -> str:
    if status.recorded.state is not DeliveryState.WAITING:
        return ""
    at = status.next_attempt_at(now=now)
    return f"{when(at)} UTC at the earliest" if at else "as soon as its turn comes"


def _payload_text(body: bytes) -> str:
    payload = payload_of(body)
    return payload if isinstance(payload, str) else json.dumps(payload, indent=2, ensure_ascii=False)


def _attempt_row(attempt: RecordedAttempt) -> tuple[str, ...]:
    return (
        str(attempt.number),
        when(attempt.started_at),
        f"{attempt.duration_ms:.0f} ms",
        str(attempt.status or "-"),
        attempt.address or "-",
        _fault(attempt),
    )


def _fault(attempt: RecordedAttempt) -> str:
    if attempt.retry_after_s is None:
        return attempt.error or "-"
    return f"{attempt.error}, Retry-After {attempt.retry_after_s:.0f} s"


def _show_excerpt(attempt: RecordedAttempt) -> None:
    if not attempt.excerpt.strip():
        return
    click.echo(f"\nAnswer to try {attempt.number}")
    _echo(f"  {plain(line)}" for line in attempt.excerpt.splitlines())


def _echo(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)
