"""Reads a YAML file into plain values: mappings with text keys, lists, text, numbers, booleans, None.

Stricter than PyYAML where an error would go unnoticed (duplicate keys) and safer against harmful files
(deep nesting, aliases that multiply). Messages never quote the file: it may contain secrets.
"""

import re
from pathlib import Path
from typing import Any, Final

import yaml

from sidecar.config.errors import Errors

_TAG: Final = "tag:yaml.org,2002:"
#: The message where whole_text raises.
HALF_A_CHARACTER: Final = "holds half of a character (\\ud800 to \\udfff come in twos); write the other half"
_LARGEST_FILE_BYTES: Final = 4 * 1024 * 1024
_MOST_NODES: Final = 200_000
DEEPEST: Final = 40
#: Text of the file that PyYAML quotes (not its punctuation and token names): it may be part of a secret.
_QUOTED = re.compile(r"'(?!<)[^' ]{2,}'|\"(?!<)[^\" ]{2,}\"")


class _Unusable(Exception):
    """The rest of the document cannot be read; the message is an error."""


def read_document(path: Path, errors: Errors) -> dict[str, Any] | None:
    """The values of the file, or None if it cannot be used at all."""
    try:
        value = parse_yaml(_text_of(path), errors)
    except _Unusable as exc:
        errors.add_in_file(str(exc))
        return None
    if value is None:
        errors.add_in_file("is empty; start from harbor.yml.example")
    elif not isinstance(value, dict):
        errors.add_in_file("must hold keys and values, as `hostname: registry.example.com`")
    return value if isinstance(value, dict) else None


def parse_value(text: str) -> Any:
    """One value given outside the file, as YAML; raises ValueError with what is wrong."""
    errors = Errors("value")
    try:
        value = parse_yaml(text, errors)
    except _Unusable as exc:
        raise ValueError(str(exc)) from None
    if errors:
        raise ValueError(errors.lines[0].removeprefix("value: "))
    return value


def parse_yaml(text: str, errors: Errors) -> Any:
    try:
        node = _compose(text)
        return _Values(errors).of(node) if node is not None else None
    except yaml.MarkedYAMLError as exc:
        raise _Unusable(_syntax_error(exc)) from None
    except yaml.reader.ReaderError as exc:
        line = text.count("\n", 0, exc.position) + 1
        raise _Unusable(f"line {line}: holds a character that YAML does not allow; remove it") from None
    except RecursionError:
        raise _Unusable("is nested too deeply") from None


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE_BYTES + 1)
    except FileNotFoundError:
        raise _Unusable(f"no such file: {path}; name it with --config or SIDECAR_CONFIG") from None
    except (OSError, ValueError) as exc:
        raise _Unusable(
            f"cannot be read: {getattr(exc, 'strerror', None) or 'not a path'} ({path})"
        ) from None
    if len(content) > _LARGEST_FILE_BYTES:
        raise _Unusable(f"is larger than {_LARGEST_FILE_BYTES} bytes")
    return _decoded(content)


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = content.count(b"\n", 0, exc.start) + 1
        raise _Unusable(f"line {line}: is not UTF-8; save the file as UTF-8") from None


def _syntax_error(error: yaml.MarkedYAMLError) -> str:
    problem = str(error.problem or error.context or "cannot be read as YAML")
    position = error.problem_mark or error.context_mark
    where = f"line {position.line + 1}, column {position.column + 1}: " if position else ""
    if "'\\t'" in problem:
        return f"{where}a tab where spaces are needed; indent with spaces"
    return (
        f"{where}{_QUOTED.sub('this', problem)}; mend the YAML (values with special characters need quotes)"
    )


class _BoundedLoader(yaml.SafeLoader):
    """Enforces the limits while parsing: nodes take a hundred times the memory of their text."""

    nodes = depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.nodes += 1
        self.depth += 1
        if self.depth > DEEPEST + 1 or self.nodes > _MOST_NODES:
            raise _Unusable(
                f"line {self.line + 1}: is nested too deeply, or holds more than {_MOST_NODES} values"
            )
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _compose(text: str) -> yaml.Node | None:
    loader = _BoundedLoader(text)
    try:
        node: yaml.Node | None = loader.get_single_node()
        return node
    finally:
        loader.dispose()


def whole_text(text: str) -> str:
    r"""Text with surrogate pairs, as JSON writes them (\ud83d\ude80), joined into characters.

    Raises UnicodeError for a lone surrogate.
    """
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")


class _Values:
    """Turns nodes into values, and counts them: aliases may multiply."""

    def __init__(self, errors: Errors) -> None:
        self._errors = errors
        self._constructor = yaml.constructor.SafeConstructor()
        self._nodes = 0

    def of(self, node: yaml.Node, depth: int = 0) -> Any:
        self._nodes += 1
        if depth > DEEPEST or self._nodes > _MOST_NODES:
            raise _Unusable(f"line {_line(node)}: is nested too deeply, or its aliases multiply")
        match node:
            case yaml.MappingNode():
                return self._mapping(node, depth)
            case yaml.SequenceNode():
                return [self.of(element, depth + 1) for element in node.value]
            case _:
                return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node)
            if key is None:
                continue
            if key in values:
                self._say(
                    key_node, f"key {key[:80]} stands already in line {lines[key]}; remove one of the two"
                )
            values[key], lines[key] = self.of(value_node, depth + 1), _line(key_node)
        return values

    def _key(self, node: yaml.Node) -> str | None:
        if isinstance(node, yaml.ScalarNode) and node.tag != f"{_TAG}merge":
            return self._text(node)
        self._say(node, "a key must be plain text (merging with << is not offered)")
        return None

    def _scalar(self, node: yaml.Node) -> Any:
        match node.tag.removeprefix(_TAG):
            case "str" | "timestamp" | "value" | "merge":
                return self._text(node)
            case "null":
                return None
            case "bool" | "int" | "float":
                return self._converted(node)
            case _:
                self._say(node, "a YAML tag is not allowed here; put the value in quotes")
                return None

    def _text(self, node: yaml.Node) -> str:
        try:
            return whole_text(str(node.value))
        except UnicodeError:
            self._say(node, HALF_A_CHARACTER)
            return str(node.value).encode(errors="replace").decode()

    def _converted(self, node: yaml.Node) -> Any:
        try:
            return self._constructor.yaml_constructors[node.tag](self._constructor, node)
        except (ValueError, KeyError, OverflowError):
            self._say(node, "is not a number that can be used; put text in quotes")
            return None

    def _say(self, node: yaml.Node, what: str) -> None:
        self._errors.add_in_file(f"line {_line(node)}: {what}")


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
