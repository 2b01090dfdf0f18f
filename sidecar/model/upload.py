"""What the head of a blob write says of the blob: digest, sizes, and where it is mounted from.

All of it is what the client claims. The registry compares the digest with the bytes when the upload ends, and a range with
what it has, if it looks at ranges (distribution: 3.x at PATCH, 2.x never). What is malformed, absurd or ambiguous is
None. Sources: distribution-spec "Pushing blobs", "Mounting a blob from another repository"; distribution
registry/handlers/blobupload.go.
"""

import re
from typing import Final
from urllib.parse import unquote_plus

from sidecar.model.errors import NameInvalid
from sidecar.model.names import Digest, Repository, parse_digest, parse_repository
from sidecar.model.operation import UploadStep, WriteBlob

#: Go 1.26 reads nothing of a query that has more, older ones read all of it (net/url, urlmaxqueryparams).
MOST_PARAMETERS: Final = 10_000
_LARGEST_SIZE: Final = 2**63 - 1  #: registries count in int64

_ASKED_FOR: Final = frozenset({"digest", "mount", "from"})
_BAD_ESCAPE: Final = re.compile("%(?![0-9A-Fa-f]{2})")
_RANGE: Final = re.compile("([0-9]{1,19})-([0-9]{1,19})")
_FORM: Final = "application/x-www-form-urlencoded"


def upload_as_sent(
    upload: WriteBlob,
    *,
    query: str,
    content_length: int | None,
    content_range: str = "",
    content_type: str = "",
    default_project: str,
) -> WriteBlob:
    """The blob write with what its head says.

    query           as on the wire, without the question mark
    content_length  bytes of the body, 0 for none; None when the head does not say
    """
    repository, step = upload.repository, upload.step
    body_bytes = content_length if content_length is None or content_length <= _LARGEST_SIZE else None
    end_bytes = _end_of(content_range, body_bytes) if content_range else None
    if step is UploadStep.PIECE:
        return WriteBlob(repository, step, body_bytes=body_bytes, end_bytes=end_bytes)
    said = first_values(query) if query and not _is_form(content_type, content_length) else {}
    digest = _digest(said.get("digest"))
    if step is UploadStep.END:
        return WriteBlob(repository, step, digest, body_bytes, end_bytes)
    if mounted := _digest(said.get("mount")):  # registries look at `mount` first
        source = _repository(said.get("from", ""), default_project)
        return WriteBlob(repository, step, mounted, body_bytes, is_mount=True, mount_source=source)
    return WriteBlob(repository, step, digest, body_bytes, body_bytes if digest else None)


def first_values(query: str) -> dict[str, str]:
    """The parameters of a blob write as registries read them: of equal ones the first, others than these left out.

    As Go's url.Query().Get: a pair with a semicolon or a broken escape does not count, and `+` is a space.
    """
    pairs = query.split("&", MOST_PARAMETERS)
    if len(pairs) > MOST_PARAMETERS:
        return {}
    found: dict[str, str] = {}
    for pair in pairs:
        written, _, value = pair.partition("=")
        name = _unescaped(written)
        if name not in _ASKED_FOR or name in found or ";" in pair:
            continue
        plain = _unescaped(value)
        if plain is not None:
            found[name] = plain
    return found


def _unescaped(text: str) -> str | None:
    """None where an escape is broken."""
    if "%" not in text and "+" not in text:
        return text
    return None if _BAD_ESCAPE.search(text) else unquote_plus(text)


def _is_form(content_type: str, content_length: int | None) -> bool:
    """Whether the registry reads the body first, as a form, before it reads the query (Go's FormValue)."""
    return content_length != 0 and content_type.partition(";")[0].strip().lower() == _FORM


def _end_of(content_range: str, body_bytes: int | None) -> int | None:
    """Where the body ends in the blob. A range `0-9` is ten bytes; one that says another length than the body's is no claim.

    Registries that look at it compare the two as well, and look at no range of a body without a length.
    """
    said = _RANGE.fullmatch(content_range)
    if not said:
        return None
    first, last = int(said[1]), int(said[2])
    is_sound = first <= last < _LARGEST_SIZE and last - first + 1 == body_bytes
    return last + 1 if is_sound else None


def _digest(text: str | None) -> Digest | None:
    try:
        return parse_digest(text) if text else None
    except NameInvalid:
        return None


def _repository(text: str, default_project: str) -> Repository | None:
    try:
        return parse_repository(text, default_project=default_project)
    except NameInvalid:
        return None
