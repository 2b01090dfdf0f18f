"""`sidecar explain-rejection`: which rule matches an upstream's answer, and why the others do not."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import click

from sidecar.commands.common import config_option, echo_json, json_option, read_settings
from sidecar.commands.text import plain, table
from sidecar.exchange import Refusal
from sidecar.proxy.manifests import decoded_opening
from sidecar.quota.rules import Miss, Rejection, RejectionRule, Write, judgements
from sidecar.quota.words import LARGEST_READ_BYTES, said_in

_MATCHES_NONE: Final = 1
_STATUS_LINE: Final = re.compile(rb"HTTP/\d(?:\.\d)? (\d{3})\b")
_ENCODING: Final = re.compile(rb"^content-encoding:[ \t]*([!-~]+)", re.IGNORECASE | re.MULTILINE)
_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
_LARGEST_HEAD_BYTES: Final = 64 * 1024
_LONGEST_WORDS: Final = 300

Judged = list[tuple[RejectionRule, Rejection | Miss]]


@click.command("explain-rejection")
@click.argument("answer", type=click.File("rb"), default="-")
@click.option("--status", type=click.IntRange(400, 599), help="Its status, where the file is the body alone.")
@click.option(
    "--write",
    type=click.Choice([write.value for write in Write]),
    default=Write.BLOB.value,
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
    read = answer.read(_LARGEST_HEAD_BYTES + LARGEST_READ_BYTES)
    told, refusal = _read(read, is_body=status is not None)
    status = status or told
    if status is None:
        raise click.UsageError("The answer begins with no status line: give its status, as --status 403.")
    judged = list(judgements(settings.rejections, Write(write), status, refusal))
    matching = next((found for _, found in judged if isinstance(found, Rejection)), None)
    if as_json:
        echo_json(_document(matching, judged))
    else:
        click.echo("\n".join(_lines(status, refusal, matching, judged)))
    if matching is None:
        raise click.exceptions.Exit(_MATCHES_NONE)


def _read(answer: bytes, *, is_body: bool) -> tuple[int | None, Refusal]:
    """Status and words of an answer; what came before the last head (100, a proxy's CONNECT) is passed over."""
    status, head = None, b""
    while not is_body and (line := _STATUS_LINE.match(answer)):
        status = int(line[1])
        end = _HEAD_END.search(answer)
        head, answer = (answer[: end.start()], answer[end.end() :]) if end else (answer, b"")
    names_retry = any(line.lower().startswith(b"retry-after:") for line in head.splitlines())
    return status, Refusal(content=_decoded(answer, head), content_type="", names_retry=names_retry)


def _decoded(content: bytes, head: bytes) -> bytes:
    """A body without its encoding; as it is where `curl --compressed` has undone that, which leaves the header."""
    encoding = _ENCODING.search(head)
    if encoding is None:
        return content
    name = encoding[1].decode("ascii").lower()
    return asyncio.run(decoded_opening(content, name, LARGEST_READ_BYTES)) or content


def _words(refusal: Refusal) -> Iterator[str]:
    for said in said_in(refusal.content):
        yield " ".join(" ".join(filter(None, (said.code, *said.texts))).split())[:_LONGEST_WORDS]


def _lines(status: int, refusal: Refusal, matching: Rejection | None, judged: Judged) -> Iterator[str]:
    if status < 400:
        yield f"Status {status} is no refusal: this raises no projectQuota."
    elif matching:
        yield f"Rule {matching.rule} matches. details: {plain(matching.details)}"
    else:
        yield "No rule matches: this raises no projectQuota. Add one under quota.rejections (docs/events.md)."
    yield ""
    yield from (f"It says: {plain(words)}" for words in _words(refusal))
    yield ""
    yield from table(
        [("RULE", "THIS ANSWER"), *((rule.name, plain(_verdict(found))) for rule, found in judged)]
    )


def _verdict(found: Rejection | Miss) -> str:
    return "matches" if isinstance(found, Rejection) else found.why


def _document(matching: Rejection | None, judged: Judged) -> dict[str, object]:
    return {
        "rule": matching.rule if matching else None,
        "details": matching.details if matching else None,
        "rules": [{"name": rule.name, "verdict": _verdict(found)} for rule, found in judged],
    }
