"""Which refusals are for lack of storage: the form of a rule, and how it matches a response."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Final

from sidecar.model.exchange import Refusal
from sidecar.model.operation import Operation, PutManifest, UploadChart, UploadProvenance, WriteBlob
from sidecar.quota.words import Said, said_in

_LONGEST_DETAILS: Final = 1000  #: characters
#: Missing credentials, or an unknown upload: never for lack of storage, unless a rule names the status.
USUAL_COURSE: Final = frozenset({401, 404, 416})


class WriteKind(StrEnum):
    """What was being written."""

    BLOB = "blob"  #: any step of an upload, or a mount
    MANIFEST = "manifest"
    CHART = "chart"  #: or its provenance file


ALL_WRITES: Final = frozenset(WriteKind)


def write_of(operation: Operation) -> WriteKind | None:
    """What an operation writes, None when it needs no storage."""
    match operation:
        case WriteBlob():
            return WriteKind.BLOB
        case PutManifest():
            return WriteKind.MANIFEST
        case UploadChart() | UploadProvenance():
            return WriteKind.CHART
        case _:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectionRule:
    """Responses of one kind; empty fields match everything.

    In a text, `*` stands for any characters, and upper and lower case are one.
    """

    name: str
    statuses: frozenset[int] = frozenset()  #: none: any from 400 but 401, 404 and 416
    writes: frozenset[WriteKind] = ALL_WRITES
    code: str = ""  #: of an error, as `errors[].code`
    texts: tuple[str, ...] = ()  #: one of them must be in the message or detail of that error
    unless: tuple[str, ...] = ()  #: texts that exclude a response that only looks similar
    unless_codes: frozenset[str] = frozenset()  #: codes of errors that are ignored
    unless_retry_after: bool = False  #: with that header it is a rate limit
    says: str = ""  #: the reason, where the response has no text for it
    prefix: str = ""  #: of the response's text, not part of the reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """An upstream refused a write for lack of storage."""

    rule: str
    details: str  #: the reason in words, one line of at most 1000 characters


@dataclass(frozen=True, slots=True)
class Miss:
    """Why a rule does not match."""

    why: str


def recognise(
    rules: Iterable[RejectionRule], write: WriteKind, status: int, refusal: Refusal | None
) -> Rejection | None:
    """The rejection of the first rule that matches, None when the refusal has another reason."""
    found = (
        judged for _, judged in judgements(rules, write, status, refusal) if isinstance(judged, Rejection)
    )
    return next(found, None)


def judgements(
    rules: Iterable[RejectionRule], write: WriteKind, status: int, refusal: Refusal | None
) -> Iterator[tuple[RejectionRule, Rejection | Miss]]:
    """The result of each rule for a refusal, in order; the body is parsed when a rule first needs it."""
    said: tuple[Said, ...] | None = None
    for rule in rules:
        why = _mismatch(rule, write, status, is_retry=refusal is not None and refusal.names_retry)
        if why:
            yield rule, Miss(why)
            continue
        if said is None:
            said = said_in(refusal.content) if refusal else ()
        yield rule, _read(rule, status, said)


def _mismatch(rule: RejectionRule, write: WriteKind, status: int, *, is_retry: bool) -> str:
    if status < 400 or status not in (rule.statuses or {status} - USUAL_COURSE):
        return f"is for status {_listed(rule.statuses) or 'from 400, but 401, 404 and 416'}"
    if write not in rule.writes:
        return f"is for {_listed(rule.writes)}"
    if rule.unless_retry_after and is_retry:
        return "is not for answers with Retry-After: that is a rate limit"
    return ""


def _listed(values: Iterable[object]) -> str:
    return ", ".join(sorted(map(str, values)))


def _read(rule: RejectionRule, status: int, said: tuple[Said, ...]) -> Rejection | Miss:
    alike = next((text for error in said for text in error.texts if _any_in(rule.unless, text)), None)
    if alike is not None:
        return Miss(f"is not for this: {_one_line(alike)}")
    if not rule.code and not rule.texts:
        plainest = next((text for error in said for text in error.texts), "")
        return Rejection(rule=rule.name, details=_details(rule, plainest, status))
    if passed_over := {error.code for error in said} & rule.unless_codes:
        said = tuple(error for error in said if error.code not in rule.unless_codes)
        if not said:
            return Miss(f"is not for {_listed(passed_over)}: that quotes the request")
    named = [error for error in said if not rule.code or error.code.upper() == rule.code.upper()]
    if not named:
        return Miss(f"no error with code {rule.code}")
    if not rule.texts:
        return Rejection(rule=rule.name, details=_details(rule, "; ".join(map(_plainest, named)), status))
    found = [text for error in named if (text := _matching(rule, error)) is not None]
    if not found:
        return Miss("says none of its texts")
    return Rejection(rule=rule.name, details=_details(rule, "; ".join(dict.fromkeys(found)), status))


def _matching(rule: RejectionRule, error: Said) -> str | None:
    return next((text for text in error.texts if _any_in(rule.texts, text)), None)


def _plainest(error: Said) -> str:
    return error.texts[0] if error.texts else error.code


def _any_in(patterns: Iterable[str], text: str) -> bool:
    lowered = text.lower()
    return any(_is_in(pattern.lower(), lowered) for pattern in patterns)


def _is_in(pattern: str, text: str) -> bool:
    """Whether the parts of a pattern occur in order; not a regular expression, because the text is untrusted."""
    at = 0
    for part in pattern.split("*"):
        at = text.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return True


def _details(rule: RejectionRule, text: str, status: int) -> str:
    return rule.says or _one_line(text.replace(rule.prefix, "") if rule.prefix else text) or _phrase(status)


def _phrase(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _one_line(text: str) -> str:
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= _LONGEST_DETAILS else line[: _LONGEST_DETAILS - 1] + "…"
