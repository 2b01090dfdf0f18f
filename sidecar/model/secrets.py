"""Values that are never shown, and masking of secrets in texts."""

import re
from typing import Final

#: Basic and Bearer credentials, signing keys, and userinfo and query of URLs, anywhere in a text.
_CREDENTIALS = re.compile(r"\b(Basic|Bearer)(\s+|%20|\+)[^\s\"',;]+", re.IGNORECASE)
_SIGNING_KEY = re.compile(r"\bwhsec_[A-Za-z0-9+/=_-]+")
_URL = re.compile(r"\b([a-z][a-z0-9+.-]*://)([^\s\"'<>]*)", re.IGNORECASE)
MASK: Final = "***"


class Secret:
    """A value that must not appear in any log, record or error; prints as ***."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "***" if self._value else "''"

    __str__ = __repr__

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)


def mask_text(text: str) -> str:
    """Text without credentials; userinfo and query of URLs may be credentials."""
    if "://" in text:
        text = _URL.sub(_url_without_secrets, text)
    text = _CREDENTIALS.sub(_without_credentials, text)
    return _SIGNING_KEY.sub(MASK, text) if "whsec_" in text else text


def _without_credentials(found: re.Match[str]) -> str:
    # Not a text with group numbers: to read one, `re` imports a module, which fails while the program ends.
    return f"{found[1]}{found[2]}{MASK}"


def _url_without_secrets(found: re.Match[str]) -> str:
    scheme, rest = found.groups()
    rest, question, _ = rest.partition("?")
    authority, slash, path = rest.partition("/")
    _, at, host = authority.rpartition("@")
    return f"{scheme}{f'{MASK}@' if at else ''}{host}{slash}{path}{f'?{MASK}' if question else ''}"
