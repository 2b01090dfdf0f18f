"""Explains which rule recognises an upstream's response as a rejection, and why the others do not."""

import re
from dataclasses import dataclass
from typing import Any, Final

from sidecar.config import Settings
from sidecar.model.encodings import decoded_opening
from sidecar.model.errors import RequestInvalid
from sidecar.model.exchange import LARGEST_REFUSAL_BYTES, Refusal
from sidecar.quota.rules import Miss, Rejection, RejectionRule, WriteKind, judgements
from sidecar.quota.words import said_in

_STATUS_LINE: Final = re.compile(rb"HTTP/\d(?:\.\d)? (\d{3})\b")
_ENCODING: Final = re.compile(rb"^content-encoding:[ \t]*([!-~]+)", re.IGNORECASE | re.MULTILINE)
_RETRY_AFTER: Final = re.compile(rb"^retry-after:", re.IGNORECASE | re.MULTILINE)
_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
_LARGEST_HEAD_BYTES: Final = 64 * 1024
_LONGEST_WORDS: Final = 300
#: Of a response with its head; the rest is ignored.
LARGEST_ANSWER_BYTES: Final = _LARGEST_HEAD_BYTES + LARGEST_REFUSAL_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The result of every rule for one response."""

    status: int
    matching: Rejection | None  #: the result of the first rule that matches
    judged: tuple[tuple[RejectionRule, Rejection | Miss], ...]  #: every rule, in order
    words: tuple[str, ...]  #: text of the response; from the upstream, and may contain control characters

    @property
    def is_refusal(self) -> bool:
        """Whether the upstream refused at all; otherwise no rule matches."""
        return self.status >= 400


def explain_rejection(
    settings: Settings, answer: bytes, *, write: WriteKind, status: int | None = None
) -> Explanation:
    """Applies the rules of the settings to an upstream's response.

    answer   as printed by `curl -i`, or only its body, with `status`
    write    what was being written

    Raises RequestInvalid when there is no status.
    """
    own_status, head, body = _parts(answer, is_body=status is not None)
    status = status or own_status
    if status is None:
        raise RequestInvalid("The answer begins with no status line: say which status it had.")
    refusal = Refusal(
        content=_decoded(body, head), content_type="", names_retry=bool(_RETRY_AFTER.search(head))
    )
    judged = tuple(judgements(settings.rejections, write, status, refusal))
    return Explanation(
        status=status,
        matching=next((found for _, found in judged if isinstance(found, Rejection)), None),
        judged=judged,
        words=tuple(said.line[:_LONGEST_WORDS] for said in said_in(refusal.content)),
    )


def result_of(found: Rejection | Miss) -> str:
    return "matches" if isinstance(found, Rejection) else found.why


def _parts(answer: bytes, *, is_body: bool) -> tuple[int | None, bytes, bytes]:
    """Status, head and body of a response; anything before the last head (100, a proxy's CONNECT) is skipped."""
    status, head = None, b""
    while not is_body and (line := _STATUS_LINE.match(answer)):
        status = int(line[1])
        end = _HEAD_END.search(answer)
        head, answer = (answer[: end.start()], answer[end.end() :]) if end else (answer, b"")
    return status, head, answer


def _decoded(content: bytes, head: bytes) -> bytes:
    """The decoded body; unchanged where `curl --compressed` has decoded it already, which leaves the header."""
    encoding = _ENCODING.search(head)
    if encoding is None:
        return content
    name = encoding[1].decode("ascii").lower()
    return decoded_opening(content, name, LARGEST_REFUSAL_BYTES) or content


def explanation_document(explanation: Explanation) -> dict[str, Any]:
    matching = explanation.matching
    return {
        "rule": matching.rule if matching else None,
        "details": matching.details if matching else None,
        "rules": [{"name": rule.name, "verdict": result_of(found)} for rule, found in explanation.judged],
    }
