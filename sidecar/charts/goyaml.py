"""The outermost mapping of a YAML document, as Go programs read it into strings (sigs.k8s.io/yaml).

Go's reader resolves plain scalars by YAML 1.1 with rules of its own, and a number that is wanted as a
string is printed again: an unquoted 1.10 becomes 1.1, 0x10 becomes 16, yes becomes true. It processes the
parser's events with a stack of its own: nesting does not use Python's stack, and an alias costs nothing,
however often it is used. It raises NotUnderstood beyond its limits, and the exceptions of the YAML
parser. Sources: sigs.k8s.io/yaml v1.4.0 yaml.go (convertToJSONableObject), goyaml.v2 resolve.go and
decode.go (mapping, merge); strconv.FormatFloat.
"""

import binascii
import math
import re
import struct
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

import yaml

from sidecar.model.errors import NotUnderstood

_MOST_EVENTS: Final = 200_000
_DEEPEST: Final = 1_000  # libyaml's time grows with the square of it
_MOST_DIRECTIVES: Final = 16  # each is compared with all before
_MOST_MERGED: Final = 1_000

_PREFIX: Final = "tag:yaml.org,2002:"
_STR, _BINARY, _MERGE, _NULL, _FLOAT = (
    f"{_PREFIX}{name}" for name in ("str", "binary", "merge", "null", "float")
)
_RESOLVABLE: Final = frozenset(
    {"", _NULL, _FLOAT, *(f"{_PREFIX}{name}" for name in ("bool", "int", "timestamp"))}
)
_DIRECTIVE = re.compile(rb"(?:^|[\r\n])%")


@dataclass(frozen=True, slots=True)
class Text:
    """A scalar as a Go program reads it into a string."""

    value: str
    is_plain: bool  #: it stands in the document as it is read


@dataclass(slots=True, eq=False)
class _Mapping:
    """Keys and values in turn."""

    nodes: "list[_Node]" = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _Sequence:
    nodes: "list[_Node]" = field(default_factory=list)


_Node = yaml.ScalarEvent | _Mapping | _Sequence | None  # None: an alias of nothing


def read_strings(document: bytes) -> dict[str, Text | None]:
    """The outermost mapping; None means null or a value that is not a scalar.

    Empty where the outermost is no mapping.
    """
    if len(_DIRECTIVE.findall(document)) > _MOST_DIRECTIVES:
        raise NotUnderstood("it has many directives")
    root = _root_of(document)
    if not isinstance(root, _Mapping):
        return {}
    strings: dict[str, Text | None] = {}
    for key, value in _pairs(root, [_MOST_MERGED]):
        if name := _text_of(key):
            strings[name.value] = _text_of(value)
    if any(map(_is_merge, root.nodes[::2])):
        return {key: text and replace(text, is_plain=False) for key, text in strings.items()}
    return strings


def _root_of(document: bytes) -> _Node:
    """The root of the first document; the rest of the file is ignored, as in Go."""
    outermost = _Sequence()
    open_nodes: list[_Mapping | _Sequence] = [outermost]
    anchors: dict[str, _Node] = {}
    for count, event in enumerate(yaml.parse(document, Loader=yaml.CSafeLoader)):
        if count > _MOST_EVENTS or len(open_nodes) > _DEEPEST:
            raise NotUnderstood("it is large or deep")
        if isinstance(event, yaml.DocumentEndEvent):
            break
        if isinstance(event, yaml.CollectionEndEvent):
            open_nodes.pop()
        elif isinstance(event, yaml.NodeEvent):
            node = _node_of(event, anchors)
            open_nodes[-1].nodes.append(node)
            if isinstance(event, yaml.CollectionStartEvent) and isinstance(node, _Mapping | _Sequence):
                open_nodes.append(node)
    return outermost.nodes[0] if outermost.nodes else None


def _node_of(event: yaml.NodeEvent, anchors: dict[str, _Node]) -> _Node:
    if isinstance(event, yaml.AliasEvent):
        return anchors.get(event.anchor or "")
    node: _Node
    if isinstance(event, yaml.ScalarEvent):
        node = event
    else:
        node = _Mapping() if isinstance(event, yaml.MappingStartEvent) else _Sequence()
    if event.anchor:
        anchors[event.anchor] = node
    return node


def _pairs(mapping: _Mapping, merges_left: list[int]) -> Iterator[tuple[_Node, _Node]]:
    """Keys and values in the order in which Go sets them; a later one wins.

    A merge key is not a default in goyaml.v2: it overrides the keys before it.
    """
    merges_left[0] -= 1
    if merges_left[0] < 0:
        raise NotUnderstood("it merges much")
    for key, value in zip(mapping.nodes[::2], mapping.nodes[1::2], strict=False):
        if not _is_merge(key):
            yield key, value
        elif isinstance(value, _Mapping):
            yield from _pairs(value, merges_left)
        elif isinstance(value, _Sequence):
            for merged in reversed(value.nodes):  # earlier ones take precedence
                if isinstance(merged, _Mapping):
                    yield from _pairs(merged, merges_left)


def _is_merge(key: _Node) -> bool:
    return (
        isinstance(key, yaml.ScalarEvent)
        and key.value == "<<"
        and (bool(key.implicit[0]) or key.tag == _MERGE)
    )


def _text_of(node: _Node) -> Text | None:
    """A scalar as text, None for null and for a collection."""
    if not isinstance(node, yaml.ScalarEvent):
        return None
    tag, text = node.tag or "", str(node.value)
    if not tag and not node.implicit[0]:
        return Text(text, is_plain=True)
    if tag == _BINARY:
        return Text(_decoded(text), is_plain=False)
    if tag == _STR or tag not in _RESOLVABLE:
        return Text(text, is_plain=tag == _STR)
    resolved = _resolve(text)
    if tag == _FLOAT and isinstance(resolved, int):
        resolved = float(resolved)
    if resolved is None:
        return None
    printed = _printed(resolved)
    return Text(printed, is_plain=isinstance(resolved, str) and not tag)


def _decoded(text: str) -> str:
    # Go's decoder passes over line ends, and JSON, through which all goes, has no other bytes than UTF-8.
    try:
        content = b64decode(re.sub(r"[\r\n]", "", text), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise NotUnderstood("its !!binary is not base64") from exc
    return content.decode(errors="replace")


# What a plain scalar is

_Resolved = str | float  #: or bool or int, which are numbers to Python

_WORDS: Final[dict[str, _Resolved | None]] = (
    dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True)
    | dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False)
    | dict.fromkeys(("", "~", "null", "Null", "NULL"))
    | dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan)
    | dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf)
    | dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf)
)
_BASES: Final = (
    (re.compile(r"([-+]?)0[xX]([0-9a-fA-F]+)"), 16),
    (re.compile(r"([-+]?)0[bB]([01]+)"), 2),
    (re.compile(r"([-+]?)0[oO]?([0-7]+)"), 8),
    (re.compile(r"([-+]?)(0|[1-9][0-9]*)"), 10),
)
_FLOATING = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_LONGEST_NUMBER: Final = 1_000


def _resolve(text: str) -> _Resolved | None:
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789" or len(text) > _LONGEST_NUMBER:
        return text
    plain = text if text[0] == "." else text.replace("_", "")
    if (number := _integer(plain)) is not None:
        return number
    floating = float(plain) if _FLOATING.fullmatch(plain) else math.inf
    return text if math.isinf(floating) else floating  # out of range is no number to Go


def _integer(plain: str) -> int | None:
    for pattern, base in _BASES:
        if found := pattern.fullmatch(plain):
            value = int(found[2], base) * (-1 if found[1] == "-" else 1)
            unsigned = not found[1] and value < 1 << 64  # as an unsigned one, it must have no sign
            return value if unsigned or -(1 << 63) <= value < 1 << 63 else None
    return None


def _printed(value: _Resolved) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else _format_float(value)


def _format_float(value: float) -> str:
    """As strconv.FormatFloat(value, 'g', -1, 32): the shortest that is the same 32-bit number."""
    single = _as_single(value)
    if math.isnan(single):
        return "NaN"
    if math.isinf(single):
        return "+Inf" if single > 0 else "-Inf"
    written = next(
        text for digits in range(17) if _as_single(float(text := f"{single:.{digits}e}")) == single
    )
    mantissa, _, exponent = written.partition("e")
    power = int(exponent)
    sign, digits_only = ("-" if mantissa[0] == "-" else ""), mantissa.lstrip("-").replace(".", "")
    if not -4 <= power < 6:
        fraction = f".{digits_only[1:]}" if digits_only[1:] else ""
        return f"{sign}{digits_only[0]}{fraction}e{'-' if power < 0 else '+'}{abs(power):02}"
    if power < 0:
        return f"{sign}0.{'0' * (-power - 1)}{digits_only}"
    whole, rest = digits_only[: power + 1].ljust(power + 1, "0"), digits_only[power + 1 :]
    return f"{sign}{whole}.{rest}" if rest else f"{sign}{whole}"


def _as_single(value: float) -> float:
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)
