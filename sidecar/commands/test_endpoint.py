"""`sidecar test-endpoint`: what a target says to sample events, sent exactly as real ones are."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import click

from sidecar.commands.common import (
    config_option,
    echo_json,
    event_type_named,
    host_of,
    json_option,
    policy_id,
    read_settings,
    rfc3339,
)
from sidecar.commands.text import echo_lines, plain, when
from sidecar.commands.trial import Seen, Trial, Tried, try_targets
from sidecar.config import Settings
from sidecar.config.checks import header_value, signing_secret, target_address
from sidecar.delivery import Attempt, Unreachable
from sidecar.event import EventType
from sidecar.formats.receivers import mismatch
from sidecar.formats.samples import MARK, SAMPLE_TYPES
from sidecar.policy import PayloadFormat, Secret, Target, TargetType, WebhookPolicy

_ALL: Final = "all"
_FORMATS: Final = [str(form) for form in PayloadFormat if form is not PayloadFormat.TEMPLATE]
_SHOWN_LINES: Final = 5  # of an answer that is not 2xx


def _types(text: str) -> tuple[EventType, ...]:
    return SAMPLE_TYPES if text == _ALL else (event_type_named(text),)


@click.command("test-endpoint")
@click.option("--policy", default="", help="Every target of this policy: project/name, or its name.")
@click.option("--address", default="", help="This URL, whether or not a policy has it.")
@click.option(
    "--auth-header", default="", help="With --address: value of Authorization, or @FILE that holds it."
)
@click.option("--secret", default="", help="With --address: sign with this secret, or @FILE that holds it.")
@click.option("--skip-cert-verify", is_flag=True, help="With --address: accept any certificate.")
@click.option(
    "--type",
    "kind",
    type=click.Choice([str(kind) for kind in TargetType]),
    default="http",
    help="With --address.",
)
@click.option(
    "--payload-format",
    type=click.Choice(_FORMATS),
    default=str(PayloadFormat.DOCUMENTED),
    show_default=True,
    help="With --address.",
)
@click.option(
    "--event-type",
    "types",
    type=_types,
    default="pushImage",
    show_default=True,
    help="Which sample, or all that happen in this version.",
)
@json_option
@config_option
def command(policy: str, types: tuple[EventType, ...], config: Path, *, as_json: bool, **target: Any) -> None:
    """Send sample events to a target and say how it answers.

    With the real format, authentication and signature, from this machine, under the egress rules of
    harbor.yml. The samples are of the repository PROJECT/webhook-test and have the tag webhook-test.
    Exit status 0 only if every answer is 2xx.
    """
    if bool(policy) == bool(target["address"]):
        raise click.UsageError("Say which one: --policy or --address.")
    settings = read_settings(config)
    tested = _named_policy(settings, policy) if policy else _policy_for(settings, **target)
    trials = asyncio.run(_run(settings, tested, types, show=not as_json))
    if as_json:
        echo_json({"policy": tested.id if policy else None, "targets": list(map(_document, trials))})
    if not all(tried.is_accepted for trial in trials for tried in trial.tried):
        raise click.exceptions.Exit(1)


async def _run(
    settings: Settings, policy: WebhookPolicy, types: tuple[EventType, ...], *, show: bool
) -> list[Trial]:
    """Try every target; tell people of each as soon as it is done."""
    trials = []
    async for trial in try_targets(settings, policy, types):
        trials.append(trial)
        if show:
            echo_lines(map(plain, _lines(trial)))
    return trials


def _named_policy(settings: Settings, text: str) -> WebhookPolicy:
    wanted = policy_id(settings, text)
    for policy in settings.policies:
        if policy.id == wanted:
            return policy
    raise click.UsageError(f"No policy is called {text}.")


def _policy_for(
    settings: Settings,
    *,
    address: str,
    auth_header: str,
    secret: str,
    payload_format: str,
    kind: str,
    skip_cert_verify: bool,
) -> WebhookPolicy:
    """A policy that nobody configured, with this one target."""
    target = Target(
        address=_checked("--address", target_address, address),
        type=TargetType(kind),
        auth_header=Secret(_checked("--auth-header", header_value, _read(auth_header))),
        secret=Secret(_checked("--secret", signing_secret, _read(secret))),
        skip_cert_verify=skip_cert_verify,
        payload_format=PayloadFormat(payload_format),
    )
    project = settings.events.default_project
    return WebhookPolicy(id=f"{project}/{MARK}", project=project, name=MARK, targets=(target,))


def _read(text: str) -> str:
    """A secret, from a file where it shall not stand in the list of processes."""
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text().removesuffix("\n")
    except (OSError, ValueError) as exc:
        raise click.UsageError(f"{text[1:]} cannot be read.") from exc


def _checked(option: str, check: Callable[[str], str], text: str) -> str:
    try:
        return check(text) if text else ""
    except ValueError as exc:
        raise click.UsageError(f"{option} {exc}.") from exc


def _lines(trial: Trial) -> Iterator[str]:
    yield f"{host_of(trial.target)}  ({', '.join(_traits(trial.target))})"
    if notice := _notice(trial.target):
        yield f"  {notice}"
    if trial.proxy:
        yield f"  through the proxy {trial.proxy}"
    for tried in trial.tried:
        yield from (f"  {line}" for line in _attempt_lines(tried))
    for kind in trial.unsent:
        yield f"  {kind:<15}  not sent: {trial.target.payload_format} has no event type for it"
    if trial.seen:
        yield f"  {_certificate_line(trial.seen)}"


def _traits(target: Target) -> Iterator[str]:
    yield target.payload_format if target.type is TargetType.HTTP else target.type
    yield "with auth_header" if target.auth_header else "no auth_header"
    yield "signed" if target.is_signed else "not signed"


def _notice(target: Target) -> str:
    if target.type is not TargetType.HTTP:
        return ""
    return mismatch(target.address, target.payload_format, target.event_names)


def _attempt_lines(tried: Tried) -> Iterator[str]:
    attempt = tried.attempt
    address = f"  {attempt.address}" if attempt.address else ""
    took = f"{attempt.duration_ms:.0f} ms"
    yield f"{tried.delivery.event_type:<15}  {_outcome(attempt)}  {took}{address}"
    if not tried.is_accepted and attempt.excerpt.strip():
        yield from (f"  {line}" for line in attempt.excerpt.splitlines()[:_SHOWN_LINES])


def _outcome(attempt: Attempt) -> str:
    result = attempt.result
    return result.reason if isinstance(result, Unreachable) else str(result.status)


def _certificate_line(seen: Seen) -> str:
    verified = f"not verified: {seen.fault}" if seen.fault else "verified"
    if seen.certificate is None:
        return f"certificate  {verified}"
    found = seen.certificate
    return (
        f"certificate  {found.subject or '(no subject)'}, issued by {found.issuer or '(nobody)'}, "
        f"expires {when(found.expires_at)} UTC, {verified}"
    )


def _document(trial: Trial) -> dict[str, Any]:
    return {
        "host": host_of(trial.target),
        "type": trial.target.type,
        "auth": bool(trial.target.auth_header),
        "signed": trial.target.is_signed,
        "notice": _notice(trial.target) or None,
        "proxy": trial.proxy or None,
        "certificate": _certificate_document(trial.seen) if trial.seen else None,
        "attempts": [_attempt_document(tried) for tried in trial.tried],
        "unsent": list(trial.unsent),
    }


def _certificate_document(seen: Seen) -> dict[str, Any]:
    found = seen.certificate
    return {
        "subject": found.subject if found else None,
        "issuer": found.issuer if found else None,
        "expires_at": rfc3339(found.expires_at) if found else None,
        "verified": not seen.fault,
        "error": seen.fault,
    }


def _attempt_document(tried: Tried) -> dict[str, Any]:
    attempt = tried.attempt
    result = attempt.result
    return {
        "event_type": tried.delivery.event_type,
        "event_id": str(tried.delivery.event_id),
        "accepted": tried.is_accepted,
        "status": None if isinstance(result, Unreachable) else result.status,
        "error": result.reason if isinstance(result, Unreachable) else "",
        "duration_ms": round(attempt.duration_ms, 1),
        "address": attempt.address,
        "excerpt": attempt.excerpt,
    }
