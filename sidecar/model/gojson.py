"""Reads JSON as Go's encoding/json does, which registries use for manifests.

Keys are case-insensitive, a later one overrides an earlier one of the same name, and bytes that are
not UTF-8 become U+FFFD. A stricter parser would reject manifests that a registry has accepted.
Source: Go's encoding/json, package documentation of Unmarshal, and decode.go.
"""

import codecs
import json
from collections.abc import Mapping
from typing import Any, Final

_LONGEST_NUMBER: Final = 19  # an int64 has as many digits; Python takes quadratic time for long ones
_ERRORS: Final = "go-replace"


def _replace(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return "\ufffd" * (error.end - error.start), error.end  # Go replaces each byte


codecs.register_error(_ERRORS, _replace)


def loads(content: bytes, names: Mapping[str, str]) -> Any:
    """A JSON value, whose objects have only the named keys.

    names   `folded(key)` => the key in the result; keys that are case-sensitive in Go, because
            they are of a map, by themselves

    Raises ValueError or RecursionError for what is not JSON, or nested too deeply.
    """

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        document: dict[str, Any] = {}
        for key, value in found:
            if name := names.get(key) or names.get(folded(key)):
                document[name] = _merged(document[name], value) if name in document else value
        return document

    return json.loads(
        content.decode("utf-8", _ERRORS),
        object_pairs_hook=pairs,
        parse_int=_number,
        parse_float=_no_number,
        parse_constant=_refuse,
    )


def folded(key: str) -> str:
    """A key as Go compares it: by simple case folding, which includes the long s and the Kelvin sign."""
    return key.lower().replace("\u017f", "s")


def _merged(earlier: Any, later: Any) -> Any:
    """The result of two equal keys: Go decodes the second into the value of the first.

    In Go a null clears some types and leaves others unchanged; here it leaves the value unchanged.
    """
    if later is None:
        return earlier
    if isinstance(earlier, dict) and isinstance(later, dict):
        return earlier | later
    if isinstance(earlier, list) and isinstance(later, list):
        both = zip(earlier, later, strict=False)
        return [_merged(*pair) for pair in both] + later[len(earlier) :]
    return later


def _number(text: str) -> int:
    return int(text) if len(text) <= _LONGEST_NUMBER + 1 else -1


def _no_number(_: str) -> int:
    return -1  # none of our fields accepts a fraction; Go refuses it there


def _refuse(text: str) -> None:
    raise ValueError(f"{text} is no JSON")
