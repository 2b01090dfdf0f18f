"""Bytes for a target, and JSON as Harbor writes it."""

import json
import re


class NotEncodable(Exception):
    """A format cannot express this event; the message is the delivery's reason."""


# Go's encoding/json escapes these; a lone surrogate is invalid UTF-8, for which it writes \ufffd.
_ESCAPED = re.compile("[<>&\u2028\u2029\ud800-\udfff]")


def encode_json(document: object) -> bytes:
    """Compact JSON, byte for byte as Go's encoding/json; keys keep their order."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return _ESCAPED.sub(_escape, text).encode()


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return "\\ufffd" if 0xD800 <= code <= 0xDFFF else f"\\u{code:04x}"


def whole(text: str) -> str:
    r"""Text with surrogate pairs, as JSON writes them (\ud83d\ude80), joined; lone surrogates become U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def without_empty(**entries: object) -> dict[str, object]:
    """The entries that Go's omitempty keeps: not "", 0, nil, nor an empty list or object."""
    return {key: value for key, value in entries.items() if value}
