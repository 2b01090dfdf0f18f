"""`sidecar test-endpoint`: how a target responds to sample events, sent exactly as real ones are."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from sidecar.commands.common import (
    config_option,
    echo_json,
    event_type_named,
    json_option,
    policy_named,
    read_settings,
)
from sidecar.commands.text import echo_lines, plain, when
from sidecar.config import Settings
from sidecar.formats.samples import SAMPLE_TYPES
from sidecar.model.delivery import Attempt, Unreachable
from sidecar.model.errors import RequestInvalid
from sidecar.model.event import EventType
from sidecar.policies.policy import WebhookPolicy
from sidecar.policies.target import PayloadFormat, Target, TargetType
from sidecar.services.endpoints import (
    EndpointTest,
    SampleSent,
    SeenCertificate,
    endpoint_test_document,
    policy_of_one_target,
    run_endpoint_tests,
)
from sidecar.services.shown import host_of

_ALL: Final = "all"
_FORMATS: Final = [str(form) for form in PayloadFormat if form is not PayloadFormat.TEMPLATE]
_SHOWN_LINES: Final = 5  # of a response other than 2xx


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
    tested = policy_named(settings, policy) if policy else _policy_for(settings, **target)
    tests = asyncio.run(_run(settings, tested, types, show=not as_json))
    if as_json:
        echo_json(
            {"policy": tested.id if policy else None, "targets": list(map(endpoint_test_document, tests))}
        )
    if not all(test.is_accepted for test in tests):
        raise click.exceptions.Exit(1)


async def _run(
    settings: Settings, policy: WebhookPolicy, types: tuple[EventType, ...], *, show: bool
) -> list[EndpointTest]:
    """Test every target, printing each result as soon as it is there."""
    tests = []
    async for test in run_endpoint_tests(settings, policy, types):
        tests.append(test)
        if show:
            echo_lines(map(plain, _lines(test)))
    return tests


def _policy_for(
    settings: Settings, *, auth_header: str, secret: str, payload_format: str, kind: str, **target: Any
) -> WebhookPolicy:
    """A policy that nobody configured, with this one target."""
    try:
        return policy_of_one_target(
            settings,
            kind=TargetType(kind),
            payload_format=PayloadFormat(payload_format),
            auth_header=_read(auth_header),
            secret=_read(secret),
            **target,
        )
    except RequestInvalid as exc:
        argument, _, what = str(exc).partition(" ")
        raise click.UsageError(f"--{argument.replace('_', '-')} {what}") from exc


def _read(text: str) -> str:
    """A secret; `@FILE` keeps it out of the list of processes."""
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text().removesuffix("\n")
    except (OSError, ValueError) as exc:
        raise click.UsageError(f"{text[1:]} cannot be read.") from exc


def _lines(test: EndpointTest) -> Iterator[str]:
    yield f"{host_of(test.target)}  ({', '.join(_traits(test.target))})"
    if test.notice:
        yield f"  {test.notice}"
    if test.proxy:
        yield f"  through the proxy {test.proxy}"
    for sample in test.samples:
        yield from (f"  {line}" for line in _sample_lines(sample))
    for kind in test.unsent:
        yield f"  {kind:<15}  not sent: {test.target.payload_format} has no event type for it"
    if test.seen:
        yield f"  {_certificate_line(test.seen)}"


def _traits(target: Target) -> Iterator[str]:
    yield target.payload_format if target.type is TargetType.HTTP else target.type
    yield "with auth_header" if target.auth_header else "no auth_header"
    yield "signed" if target.is_signed else "not signed"


def _sample_lines(sample: SampleSent) -> Iterator[str]:
    attempt = sample.attempt
    address = f"  {attempt.address}" if attempt.address else ""
    took = f"{attempt.duration_ms:.0f} ms"
    yield f"{sample.delivery.event_type:<15}  {_outcome(attempt)}  {took}{address}"
    if not sample.is_accepted and attempt.excerpt.strip():
        yield from (f"  {line}" for line in attempt.excerpt.splitlines()[:_SHOWN_LINES])


def _outcome(attempt: Attempt) -> str:
    result = attempt.result
    return result.reason if isinstance(result, Unreachable) else str(result.status)


def _certificate_line(seen: SeenCertificate) -> str:
    verified = f"not verified: {seen.fault}" if seen.fault else "verified"
    if seen.certificate is None:
        return f"certificate  {verified}"
    found = seen.certificate
    return (
        f"certificate  {found.subject or '(no subject)'}, issued by {found.issuer or '(nobody)'}, "
        f"expires {when(found.expires_at)} UTC, {verified}"
    )
