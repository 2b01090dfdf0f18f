"""`sidecar deliveries`: the list, and `sidecar deliveries show`: one with all that is known of it."""

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import click

from sidecar.commands.away import Away, away_document, away_targets, away_words, next_attempt
from sidecar.commands.common import (
    config_option,
    database,
    echo_json,
    event_type_option,
    json_option,
    policy_id,
    policy_option,
    project_option,
    read_settings,
    rfc3339,
    since_option,
)
from sidecar.commands.text import echo_table, plain, table, terminal_width, when
from sidecar.delivery import DeliveryState
from sidecar.event import EventType
from sidecar.store.history import FAILED, Chosen, History, KeptAttempt, KeptDelivery

_FAILED_WORD: Final = "failed"
_SHORTEST_BEGINNING: Final = 4
_BEGINNING_OF_AN_ID: Final = re.compile(rf"[0-9a-fA-F-]{{{_SHORTEST_BEGINNING},36}}")
_SHORT_ID: Final = 13  # two groups of a UUID: enough to name one among millions
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
    type=click.Choice([*map(str, DeliveryState), _FAILED_WORD]),
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
    with database(settings) as connection:
        history = History(connection)
        found, away = history.deliveries(chosen, limit=limit), away_targets(settings, history)
    now = datetime.now(UTC)
    if as_json:
        echo_json({"deliveries": [document_of(delivery, away, now=now) for delivery in found]})
    elif found:
        echo_table([_TITLES, *(_row(delivery, away, now=now) for delivery in found)])
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
    with database(settings) as connection:
        history = History(connection)
        delivery = history.delivery(resolve(history, identity))
        if delivery is None:  # pruned in this moment
            raise click.ClickException(f"No delivery has an id that begins with {identity}.")
        attempts, body = history.attempts(delivery.id), history.body(delivery.id)
        away = away_targets(settings, history)
    if as_json or given["as_json"]:
        echo_json(_full_document(delivery, attempts, body, away))
    else:
        _show(delivery, attempts, body, away)


def states_named(word: str | None) -> tuple[DeliveryState, ...]:
    if word is None:
        return ()
    return FAILED if word == _FAILED_WORD else (DeliveryState(word),)


def resolve(history: History, beginning: str) -> UUID:
    """The one delivery whose id begins like that; status 1 when it is none or several."""
    if len(beginning) < _SHORTEST_BEGINNING:
        raise click.ClickException(
            f"{beginning} is too short: at least {_SHORTEST_BEGINNING} characters of an id."
        )
    found = history.named(beginning) if _BEGINNING_OF_AN_ID.fullmatch(beginning) else []
    match found:
        case [identity]:
            return identity
        case []:
            raise click.ClickException(f"No delivery has an id that begins with {beginning}.")
        case _:
            raise click.ClickException(f"Several deliveries have ids that begin with {beginning}.")


# For people


def _row(delivery: KeptDelivery, away: Away, *, now: datetime) -> tuple[str, ...]:
    return (
        str(delivery.id)[:_SHORT_ID],
        when(delivery.created_at),
        delivery.state,
        delivery.event_type,
        delivery.repository,
        str(delivery.target),
        str(delivery.attempts),
        _outcome(delivery, away, now=now),
    )


def _outcome(delivery: KeptDelivery, away: Away, *, now: datetime) -> str:
    last = delivery.last_attempt
    answer = (last.error or str(last.status)) if last else "-"
    if delivery.state is DeliveryState.WAITING and (found := away.get(delivery.target)):
        words = f"target is {away_words(found, now=now)}"
        return f"{answer}; {words}" if last else words
    return delivery.reason or answer


def _show(delivery: KeptDelivery, attempts: list[KeptAttempt], body: bytes, away: Away) -> None:
    # Whole, however narrow the terminal: there is no other place to read it.
    _echo(table(_facts(delivery, away, now=datetime.now(UTC))))
    click.echo("\nHeaders")
    _echo(f"  {plain(name)}: {plain(value)}" for name, value in identity_headers(delivery).items())
    click.echo("\nPayload")
    _echo(f"  {plain(line)}" for line in _payload_text(body).splitlines())
    click.echo()
    if not attempts:
        click.echo("No attempts yet.")
        return
    _echo(table([_ATTEMPT_TITLES, *map(_attempt_row, attempts)], terminal_width()))
    for attempt in attempts:
        _show_excerpt(attempt)


def _facts(delivery: KeptDelivery, away: Away, *, now: datetime) -> list[tuple[str, str]]:
    found = away.get(delivery.target)
    facts = {
        "id": str(delivery.id),
        "event id": str(delivery.event_id),
        "event type": str(delivery.event_type),
        "project": delivery.project,
        "repository": delivery.repository,
        "policy": delivery.target.policy_id,
        "target": f"{delivery.target.index}, {away_words(found, now=now)}"
        if found
        else str(delivery.target.index),
        "state": f"{delivery.state}: {delivery.reason}" if delivery.reason else str(delivery.state),
        "created": f"{when(delivery.created_at)} UTC",
        "ended": f"{when(delivery.finished_at)} UTC" if delivery.finished_at else "",
        "next attempt": _next_attempt(delivery, away, now=now),
        "attempts": f"{delivery.attempts}, failed since it was last queued: {delivery.failures}",
    }
    return [(name, fact) for name, fact in facts.items() if fact]


def _next_attempt(delivery: KeptDelivery, away: Away, *, now: datetime) -> str:
    if delivery.state is not DeliveryState.WAITING:
        return ""
    at = next_attempt(delivery, away, now=now)
    return f"{when(at)} UTC at the earliest" if at else "as soon as its turn comes"


def identity_headers(delivery: KeptDelivery) -> dict[str, str]:
    """What a receiver can know it by; never anything secret."""
    event_id = str(delivery.event_id)
    return {
        "Content-Type": delivery.content_type,
        "webhook-id": event_id,
        "X-Sidecar-Event-Id": event_id,
        "X-Sidecar-Delivery-Id": str(delivery.id),
        "X-Sidecar-Attempt": str(max(delivery.attempts, 1)),
    }


def _payload_text(body: bytes) -> str:
    payload = _payload(body)
    return payload if isinstance(payload, str) else json.dumps(payload, indent=2, ensure_ascii=False)


def _attempt_row(attempt: KeptAttempt) -> tuple[str, ...]:
    return (
        str(attempt.number),
        when(attempt.started_at),
        f"{attempt.duration_ms:.0f} ms",
        str(attempt.status or "-"),
        attempt.address or "-",
        _fault(attempt),
    )


def _fault(attempt: KeptAttempt) -> str:
    if attempt.retry_after_s is None:
        return attempt.error or "-"
    return f"{attempt.error}, Retry-After {attempt.retry_after_s:.0f} s"


def _show_excerpt(attempt: KeptAttempt) -> None:
    if not attempt.excerpt.strip():
        return
    click.echo(f"\nAnswer to try {attempt.number}")
    _echo(f"  {plain(line)}" for line in attempt.excerpt.splitlines())


def _echo(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)


# For scripts


def document_of(delivery: KeptDelivery, away: Away, *, now: datetime) -> dict[str, Any]:
    return {
        "id": str(delivery.id),
        "event_id": str(delivery.event_id),
        "event_type": delivery.event_type,
        "policy": delivery.target.policy_id,
        "target": delivery.target.index,
        "project": delivery.project,
        "repository": delivery.repository,
        "state": delivery.state,
        "reason": delivery.reason,
        "created_at": rfc3339(delivery.created_at),
        "finished_at": rfc3339(delivery.finished_at),
        "next_attempt_at": rfc3339(next_attempt(delivery, away, now=now)),
        "target_away": away_document(away.get(delivery.target)),
        "failures": delivery.failures,
        "attempt_count": delivery.attempts,
        "last_attempt": _attempt_document(delivery.last_attempt) if delivery.last_attempt else None,
    }


def _full_document(
    delivery: KeptDelivery, attempts: list[KeptAttempt], body: bytes, away: Away
) -> dict[str, Any]:
    return {
        **document_of(delivery, away, now=datetime.now(UTC)),
        "headers": identity_headers(delivery),
        "payload": _payload(body),
        "attempts": [_attempt_document(attempt) for attempt in attempts],
    }


def _payload(body: bytes) -> Any:
    """What the body says where it is JSON, else its text."""
    try:
        return json.loads(body)
    except ValueError:
        return body.decode(errors="replace")


def _attempt_document(attempt: KeptAttempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "started_at": rfc3339(attempt.started_at),
        "duration_ms": round(attempt.duration_ms, 1),
        "status": attempt.status,
        "address": attempt.address,
        "error": attempt.error,
        "excerpt": attempt.excerpt,
        "retry_after_s": attempt.retry_after_s,
    }
