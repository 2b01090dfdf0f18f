"""The name, version and type in a chart archive, as helm and ChartMuseum read them.

The bytes are untrusted: this runs in a parser process, after the upstream has accepted the chart.
An unambiguous chart is `plain`; for any other the upstream's index is more reliable, and
an archive beyond the limits raises NotUnderstood. Sources: ChartMuseum
pkg/chartmuseum/server/multitenant/handlers.go (raw body or form); helm pkg/chart/loader/load.go (which
files name a chart), pkg/chart/metadata.go (sanitizeString).
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import yaml

from sidecar.charts.archive import ArchiveFile, read_files
from sidecar.charts.form import FormFile, boundary_of, form_files, is_form
from sidecar.charts.goyaml import Text, read_strings
from sidecar.model.errors import NotUnderstood

_LONGEST_TEXT: Final = 1_024
_PLAIN_NAME = re.compile(r"[a-zA-Z0-9._-]{1,200}")
_PLAIN_VERSION = re.compile(r"v?\d+\.\d+\.\d+[a-zA-Z0-9.+-]{0,200}", re.ASCII)
_CHART_YAML: Final = "Chart.yaml"
_REQUIREMENTS: Final = "requirements.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartFile:
    """A chart archive, with its name, version and type."""

    name: str
    version: str
    type: str  #: application or library
    size_bytes: int  #: of the .tgz
    digest: str  #: sha256 of the .tgz in hexadecimal, as ChartMuseum's index has it
    is_plain: bool  #: whether name and version are unambiguous


def read_upload(body: bytes, content_type: str, fields: Sequence[str]) -> ChartFile | None:
    """The chart of an upload: a .tgz, or a form with a .tgz in a file of one of these fields.

    None for a form that has no such file, but a provenance file only. Raises NotUnderstood.
    """
    if not is_form(content_type):
        return read_archive(body)
    found = _chart_part(body, content_type, fields)
    return read_archive(found.content, is_plain=found.is_plain) if found else None


def find_upload(body: bytes, content_type: str, fields: Sequence[str]) -> tuple[str, bytes | memoryview]:
    """The file name of an upload, "" when it has none, and its .tgz, unread. Raises NotUnderstood."""
    if not is_form(content_type):
        return "", body
    if found := _chart_part(body, content_type, fields):
        return found.file_name, found.content
    raise NotUnderstood("it has no chart")


def _chart_part(body: bytes, content_type: str, fields: Sequence[str]) -> FormFile | None:
    first: dict[str, FormFile] = {}
    for found in form_files(body, boundary_of(content_type)):
        first.setdefault(found.field, found)
    return next((first[field] for field in fields if field in first and first[field].content), None)


def read_archive(archive: bytes | memoryview, *, is_plain: bool = True) -> ChartFile:
    """The chart of a .tgz. Raises NotUnderstood."""
    files = read_files(archive, (_CHART_YAML, _REQUIREMENTS))
    if not any(found.path == _CHART_YAML for found in files):
        raise NotUnderstood("it has no Chart.yaml")
    texts = _metadata(files)
    name, version, kind = (texts.get(key) for key in ("name", "version", "type"))
    if name is None or version is None:
        raise NotUnderstood("it has no name or no version")
    is_plain = is_plain and len(files) == 1 and all(found.is_plain for found in files)
    called = _sanitized(name.value)
    if not 0 < len(called) <= _LONGEST_TEXT or not 0 < len(version.value) <= _LONGEST_TEXT:
        raise NotUnderstood("its name or version has no usable length")
    return ChartFile(
        name=called,
        version=version.value,
        type="library" if kind and kind.value == "library" else "application",
        size_bytes=len(archive),
        digest=hashlib.sha256(archive).hexdigest(),
        is_plain=is_plain and _is_plain(name, version),
    )


def _metadata(files: Sequence[ArchiveFile]) -> dict[str, Text]:
    """The values of all files merged: later files override earlier ones, requirements.yaml overrides Chart.yaml.

    Keys are in lower case: Go's encoding/json accepts `Name` for `name`; with both, the last in byte order
    counts.
    """
    texts: dict[str, Text] = {}
    for found in sorted(files, key=lambda file: file.path == _REQUIREMENTS):
        try:
            strings = read_strings(found.content)
        except yaml.YAMLError as exc:
            raise NotUnderstood("it is not YAML") from exc
        for key in sorted(strings, key=lambda key: key.encode(errors="replace")):
            value = strings[key]
            if value is not None:
                texts[key.casefold()] = value
    return texts


def _is_plain(name: Text, version: Text) -> bool:
    return (
        name.is_plain
        and version.is_plain
        and bool(_PLAIN_NAME.fullmatch(name.value))
        and bool(_PLAIN_VERSION.fullmatch(version.value))
    )


_SPACES: Final = frozenset("\t\n\v\f\r \u0085\u00a0\u1680\u2028\u2029\u202f\u205f\u3000") | {
    chr(code) for code in range(0x2000, 0x200B)
}


def _sanitized(name: str) -> str:
    """As helm stores a name: whitespace becomes a space, and unprintable characters are removed."""
    return "".join(" " if char in _SPACES else char for char in name if char in _SPACES or char.isprintable())


# Names of files

_STRICT_VERSION = re.compile(
    r"v?(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?"
)
_LOOSE_VERSION = re.compile(r"v?\d+(\.\d+){0,2}([-+].*)?")
_MOST_HYPHENS: Final = 100


def chart_name_version(file_name: str) -> tuple[str, str]:
    """Name and version guessed from a chart's file name; version "" if there is none.

    Both may contain hyphens, so this is a guess: the longest suffix that is a complete version
    (`foo-1.0.0-2` is version 1.0.0-2 of foo), else the longest that begins like one.
    """
    stem = file_name.removesuffix(".tgz")
    hyphens = [at for at in re.finditer("-", stem) if at.start()][-_MOST_HYPHENS:]
    splits = [(stem[: at.start()], stem[at.end() :]) for at in hyphens]
    for pattern in (_STRICT_VERSION, _LOOSE_VERSION):
        for name, version in splits:
            if pattern.fullmatch(version):
                return name, version
    return stem, ""
