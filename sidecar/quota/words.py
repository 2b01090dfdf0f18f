"""Extracts the text of a refusal, whatever the form of the response.

Registries answer `errors[]` with code, message and detail (distribution-spec, "Error Codes"), ChartMuseum `error`,
proxies and CDNs a page of HTML, object stores XML; any of them may be cut off. Everything here is linear in
what is read, which is bounded.
"""

import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sidecar.model.exchange import LARGEST_REFUSAL_BYTES

_MOST_ERRORS: Final = 32
_TEXT_KEYS: Final = ("message", "detail", "error", "description", "title", "reason")
_TAG: Final = re.compile(r"<[^<>]*>")
_TITLE: Final = re.compile(r"<title[^<>]*>([^<]*)", re.IGNORECASE)
_PAIR: Final = re.compile(rf'"(code|{"|".join(_TEXT_KEYS)})"\s*:\s*"((?:[^"\\]|\\.)*)')


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One error of a response."""

    code: str = ""
    texts: tuple[str, ...] = ()  #: the most readable first; values other than text as compact JSON

    @property
    def line(self) -> str:
        """All of it in one line."""
        return " ".join(" ".join((self.code, *self.texts)).split())


def said_in(content: bytes) -> tuple[Said, ...]:
    """The errors in a response; one without a code if it is not JSON, none if it is empty."""
    text = content[:LARGEST_REFUSAL_BYTES].decode("utf-8", "replace").lstrip("\ufeff").strip()
    if not text:
        return ()
    if text[0] in "{[":
        try:
            return tuple(_of_document(json.loads(text)))[:_MOST_ERRORS]
        except (ValueError, RecursionError):
            return (_of_cut(text),)
    if text[0] == "<":
        return (Said(texts=_of_page(text)),)
    return (Said(texts=(text,)),)


def _of_document(document: Any) -> Iterator[Said]:
    errors = document.get("errors") if isinstance(document, dict) else document
    if isinstance(errors, list) and errors:
        for error in errors:
            yield from _of_error(error)
    else:
        yield from _of_error(document)


def _of_error(error: Any) -> Iterator[Said]:
    if isinstance(error, str):
        yield Said(texts=(error,))
    if not isinstance(error, dict):
        return
    if isinstance(nested := error.get("error"), dict):
        yield from _of_error(nested)
        return
    code = error.get("code")
    texts = tuple(_text_of(error[key]) for key in _TEXT_KEYS if error.get(key))
    yield Said(code=code if isinstance(code, str) else "", texts=texts)


def _text_of(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _of_cut(text: str) -> Said:
    """The readable part of truncated or invalid JSON."""
    pairs = [(name, _unescaped(value)) for name, value in _PAIR.findall(text)]
    code = next((value for name, value in pairs if name == "code"), "")
    return Said(code=code, texts=(*(value for name, value in pairs if name != "code" and value), text))


def _unescaped(value: str) -> str:
    try:
        return str(json.loads(f'"{value}"'))
    except ValueError:
        return value


def _of_page(text: str) -> tuple[str, ...]:
    """The title of an HTML page, then its text."""
    title = _TITLE.search(text)
    found = (title[1] if title else "", _TAG.sub(" ", text))
    return tuple(line for part in found if (line := " ".join(html.unescape(part).split())))
