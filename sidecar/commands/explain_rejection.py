"""`sidecar explain-rejection`: which rule matches an upstream's answer, and why the others do not."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import click

from sidecar.commands.common import config_option, echo_json, json_option, read_settings
from sidecar.commands.text import plain, table
from sidecar.model.errors import RequestInvalid
from sidecar.quota.rules import WriteKind
from sidecar.services.rejections import (
    LARGEST_ANSWER_BYTES,
    Explanation,
    explain_rejection,
    explanation_document,
    result_of,
)

_MATCHES_NONE: Final = 1


@click.command("explain-rejection")
@click.argument("answer", type=click.File("rb"), default="-")
@click.option("--status", type=click.IntRange(400, 599), help="Its status, where the file is the body alone.")
@click.option(
    "--write",
    type=click.Choice([write.value for write in WriteKind]),
    default=WriteKind.BLOB.value,
    show_default=True,
    help="What was to be written.",
)
@json_option
@config_option
def command(answer: BinaryIO, status: int | None, write: str, config: Path, *, as_json: bool) -> None:
    """Say which rule takes an upstream's answer for a push without room, and why.

    ANSWER is a file with the answer as `curl -i` writes it, or with its body alone beside --status; left out,
    or -, it is standard input. Ends with status 1 when no rule matches.
    """
    settings = read_settings(config)
    read = answer.read(LARGEST_ANSWER_BYTES)
    try:
        explanation = explain_rejection(settings, read, write=WriteKind(write), status=status)
    except RequestInvalid as exc:
        raise click.UsageError(
            "The answer begins with no status line: give its status, as --status 403."
        ) from exc
    if as_json:
        echo_json(explanation_document(explanation))
    else:
        click.echo("\n".join(_lines(explanation)))
    if explanation.matching is None:
        raise click.exceptions.Exit(_MATCHES_NONE)


def _lines(explanation: Explanation) -> Iterator[str]:
    matching = explanation.matching
    if not explanation.is_refusal:
        yield f"Status {explanation.status} is no refusal: this raises no projectQuota."
    elif matching:
        yield f"Rule {matching.rule} matches. details: {plain(matching.details)}"
    else:
        yield "No rule matches: this raises no projectQuota. Add one under quota.rejections (docs/events.md)."
    yield ""
    yield from (f"It says: {plain(words)}" for words in explanation.words)
    yield ""
    results = ((rule.name, plain(result_of(found))) for rule, found in explanation.judged)
    yield from table([("RULE", "THIS ANSWER"), *results])
