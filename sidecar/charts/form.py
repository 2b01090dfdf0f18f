"""The files of a multipart/form-data body, as a Go program gets them (Request.FormFile).

What Go accepts beyond RFC 7578 is accepted: a preamble, lines that end in LF only, blanks behind a
boundary, folded and long part headers, name*= and continuations, quoted-printable parts. A form
that Go refuses yields nothing: the upstream has refused it. Sources: Go mime/multipart (multipart.go,
formdata.go), mime/mediatype.go, mime/quotedprintable, net/textproto.
"""

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

_MOST_PARTS: Final = 1_000  # as Go
_LONGEST_PREAMBLE_LINE: Final = 4_096


@dataclass(frozen=True, slots=True)
class FormFile:
    """One part that has a file name."""

    field: str
    file_name: str
    content: memoryview | bytes  #: without its transfer encoding
    is_plain: bool  #: without transfer encoding


def is_form(content_type: str) -> bool:
    """Whether ChartMuseum takes a body for a form: gin compares what stands before ';' or ' ', by letter."""
    return re.split("[ ;]", content_type, maxsplit=1)[0] == "multipart/form-data"


def boundary_of(content_type: str) -> bytes:
    """The boundary of a form; b"" if there is none."""
    _, parameters = parse_media_type(content_type.encode("utf-8", "surrogateescape"))
    return parameters.get("boundary", b"")


def form_files(body: bytes, boundary: bytes) -> Iterator[FormFile]:
    """The parts that have a name and a file name, in their order."""
    view = memoryview(body)
    for head, start, end in _parts(body, boundary):
        disposition, parameters = parse_media_type(head.get("content-disposition", b""))
        file_name = parameters.get("filename", b"")
        if disposition != "form-data" or not parameters.get("name") or not file_name:
            continue
        is_quoted = head.get("content-transfer-encoding", b"").lower() == b"quoted-printable"
        yield FormFile(
            field=parameters["name"].decode(errors="replace"),
            file_name=posixpath.basename(file_name.rstrip(b"/")).decode(errors="replace"),
            content=_unquoted(body[start:end]) if is_quoted else view[start:end],
            is_plain=not is_quoted,
        )


# Parts


def _parts(body: bytes, boundary: bytes) -> Iterator[tuple[dict[str, bytes], int, int]]:
    """Headers of each part, where its content begins and ends."""
    if not boundary:
        return
    dashes = b"--" + boundary
    line_end = b""
    at = _first_line(body, dashes)
    for _ in range(_MOST_PARTS):
        line, at = _line(body, at)
        if not line.startswith(dashes):
            return
        rest = line[len(dashes) :].lstrip(b" \t")
        line_end = line_end or (b"\n" if rest == b"\n" else b"\r\n")
        if rest != line_end:
            return
        head, start = _head(body, at)
        end = _end_of_part(body, start, dashes, line_end)
        yield head, start, end
        at = end if body.startswith(dashes, end) else end + len(line_end)


def _first_line(body: bytes, dashes: bytes) -> int:
    """Where the first boundary line begins; what stands before is a preamble."""
    at = 0
    while at < len(body):
        line, after = _line(body, at)
        if line.startswith(dashes) and line[len(dashes) :].strip(b" \t") in {b"\r\n", b"\n"}:
            return at
        at = after
    return at


def _line(body: bytes, at: int) -> tuple[bytes, int]:
    """A line with its line end, and where the next begins; a line that is too long is cut."""
    found = body.find(b"\n", at, at + _LONGEST_PREAMBLE_LINE)
    after = found + 1 if found >= 0 else min(at + _LONGEST_PREAMBLE_LINE, len(body))
    return body[at:after], after


def _end_of_part(body: bytes, start: int, dashes: bytes, line_end: bytes) -> int:
    """Where a part's content ends: before the line end that belongs to the boundary."""
    if body.startswith(dashes, start) and _is_boundary_end(body, start + len(dashes)):
        return start
    at = body.find(line_end + dashes, start)
    while at >= 0:
        after = at + len(line_end) + len(dashes)
        if _is_boundary_end(body, after):
            return at
        at = body.find(line_end + dashes, after)
    return len(body)


def _is_boundary_end(body: bytes, at: int) -> bool:
    following = body[at : at + 2]
    return following[:1] in {b"", b" ", b"\t", b"\r", b"\n"} or following == b"--"


# A part's headers


def _head(body: bytes, at: int) -> tuple[dict[str, bytes], int]:
    """The first value of each header, by its name in lower case; where the content begins."""
    head: dict[str, bytes] = {}
    lines: list[bytes] = []
    while True:
        found = body.find(b"\n", at)
        after = found + 1 if found >= 0 else len(body)
        line = body[at:after].removesuffix(b"\n").removesuffix(b"\r")
        if line[:1] in {b" ", b"\t"} and lines:
            lines.append(line.strip(b" \t"))
        else:
            _keep(head, b" ".join(lines))
            lines = [line.strip(b" \t")]
        at = after
        if not line or at == len(body):
            return head, at


def _keep(head: dict[str, bytes], line: bytes) -> None:
    name, colon, value = line.partition(b":")
    if colon and b" " not in name:
        head.setdefault(name.decode("latin-1").lower(), value.lstrip(b" \t"))


# Media types, and what stands behind them

_TOKEN = re.compile(rb"[!#$%&'*+.^_`{|}~0-9A-Za-z-]*")
_MEDIA_TYPE = re.compile(r"[!#$%&'*+.^_`{|}~0-9a-z-]+(/[!#$%&'*+.^_`{|}~0-9a-z-]+)?")
_SPACE: Final = b" \t\n\v\f\r"
_TSPECIALS: Final = frozenset(b'()<>@,;:\\"/[]?=')


def parse_media_type(value: bytes) -> tuple[str, dict[str, bytes]]:
    """The type in lower case and its parameters; ("", {}) or no parameters where Go rejects them."""
    base, _, _ = value.partition(b";")
    media_type = base.strip(_SPACE).lower().decode("latin-1")
    if not _MEDIA_TYPE.fullmatch(media_type):
        return "", {}
    parameters = _parameters(value[len(base) :])
    if parameters is None:
        return media_type, {}
    return media_type, _continued(parameters)


def _parameters(rest: bytes) -> dict[str, bytes] | None:
    """Names (with their stars) and values; None for what is malformed."""
    parameters: dict[str, bytes] = {}
    while rest := rest.lstrip(_SPACE):
        name, value, behind = _parameter(rest)
        if not name:
            return parameters if behind.strip(_SPACE) == b";" else None
        if parameters.setdefault(name, value) != value:
            return None
        rest = behind
    return parameters


def _parameter(text: bytes) -> tuple[str, bytes, bytes]:
    """Name, value and what follows; ("", b"", text) for what is none."""
    none = "", b"", text
    if not text.startswith(b";"):
        return none
    rest = text[1:].lstrip(_SPACE)
    name = _token(rest)
    rest = rest[len(name) :].lstrip(_SPACE)
    if not name or not rest.startswith(b"="):
        return none
    rest = rest[1:].lstrip(_SPACE)
    value, behind = _quoted(rest) if rest.startswith(b'"') else (_token(rest), rest[len(_token(rest)) :])
    return none if not value and behind == rest else (name.lower().decode(), value, behind)


def _token(text: bytes) -> bytes:
    found = _TOKEN.match(text)
    return found[0] if found else b""


def _quoted(text: bytes) -> tuple[bytes, bytes]:
    """A quoted string without its quotes, and what follows; (b"", text) when it does not end."""
    value = bytearray()
    at = 1
    while at < len(text):
        byte = text[at]
        if byte == 0x22:
            return bytes(value), text[at + 1 :]
        if byte == 0x5C and at + 1 < len(text) and text[at + 1] in _TSPECIALS:
            at += 1  # any other backslash is one: MSIE sends whole paths
        elif byte in b"\r\n":
            break
        value.append(text[at])
        at += 1
    return b"", text


def _continued(parameters: dict[str, bytes]) -> dict[str, bytes]:
    """RFC 2231: name*=charset'language'value, and values in pieces."""
    plain = {name: value for name, value in parameters.items() if "*" not in name}
    for base in {name.partition("*")[0] for name in parameters if "*" in name}:
        whole = parameters.get(f"{base}*")
        value = _extended(whole) if whole is not None else _joined(base, parameters)
        if value is not None:
            plain[base] = value
    return plain


def _joined(base: str, parameters: dict[str, bytes]) -> bytes | None:
    pieces: list[bytes] = []
    while True:
        name = f"{base}*{len(pieces)}"
        if name in parameters:
            pieces.append(parameters[name])
        elif f"{name}*" in parameters:
            encoded = parameters[f"{name}*"]
            pieces.append((_extended(encoded) if not pieces else _percent_decoded(encoded)) or b"")
        else:
            return b"".join(pieces) if pieces else None


def _extended(value: bytes) -> bytes | None:
    charset, quote, rest = value.partition(b"'")
    _, second_quote, encoded = rest.partition(b"'")
    if not quote or not second_quote or charset.lower() not in {b"us-ascii", b"utf-8"}:
        return None
    return _percent_decoded(encoded)


def _percent_decoded(text: bytes) -> bytes | None:
    return None if re.search(rb"%(?![0-9a-fA-F]{2})", text) else unquote_to_bytes(text)


# Quoted-printable

_ESCAPED = re.compile(rb"=([0-9a-fA-F]{2})")


def _unquoted(content: bytes) -> bytes:
    """As Go decodes it: blanks at a line's end go, and an equals sign there joins two lines."""
    decoded = bytearray()
    for line in _lines(content):
        content = line.rstrip(b"\r\n \t")
        if content.endswith(b"="):
            content = content[:-1]
        elif line.endswith(b"\r\n"):
            content += b"\r\n"
        elif line.endswith(b"\n"):
            content += b"\n"
        decoded += _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), content)
    return bytes(decoded)


def _lines(content: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(content):
        after = content.find(b"\n", at) + 1 or len(content)
        yield content[at:after]
        at = after
