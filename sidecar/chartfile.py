"""What a chart archive says about itself, read while its bytes go by.

The bytes come from strangers and are never kept: size and digest are counted, and the archive is
unpacked just as far as its Chart.yaml. Nothing here raises, whatever is fed; a chart that cannot be
read within the bounds is None. Whether the upstream took the chart is not decided here.
Sources: ChartMuseum pkg/chartmuseum/server/multitenant/handlers.go (raw body or form); helm
pkg/chart/metadata.go (names and versions).
"""

import hashlib
import re
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from typing import Final, NamedTuple

import yaml
from python_multipart.exceptions import FormParserError, MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from sidecar.archive import Unpacker
from sidecar.event import Chart
from sidecar.manifest import media_type_of
from sidecar.names import Digest

#: ChartMuseum's own default for --max-upload-size.
LARGEST_ARCHIVE_BYTES: Final = 20 * 1024 * 1024

_MOST_YAML_EVENTS: Final = 50_000
_DEEPEST_YAML: Final = 100  # libyaml's time grows with the square of it
_MOST_PARTS: Final = 100  # of a form; ChartMuseum looks at four
_LONGEST_PART_HEADER: Final = 4096

_NAME = re.compile(r"[a-zA-Z0-9._-]{1,255}")
_VERSION = re.compile(r"[a-zA-Z0-9.+_~-]{1,255}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartFile:
    """A chart archive that went by."""

    name: str
    version: str
    type: str  #: application or library
    size_bytes: int  #: of the .tgz
    digest: Digest  #: sha256 of the .tgz, as ChartMuseum's index names it

    def chart(self) -> Chart:
        """As an event carries it; where it is downloaded from is the detector's."""
        return Chart(name=self.name, version=self.version, type=self.type, size_bytes=self.size_bytes)


class ChartDownload:
    """A .tgz as it goes by.

    largest_archive_bytes  how far Chart.yaml is looked for; size and digest are counted to the end
    """

    def __init__(self, *, largest_archive_bytes: int = LARGEST_ARCHIVE_BYTES) -> None:
        self._largest_archive_bytes = largest_archive_bytes
        self._size_bytes = 0
        self._sha256 = hashlib.sha256()
        self._unpacker = Unpacker()

    def feed(self, data: bytes | memoryview) -> None:
        self._size_bytes += len(data)
        self._sha256.update(data)
        if self._size_bytes <= self._largest_archive_bytes:
            self._unpacker.feed(data)

    def finish(self) -> ChartFile | None:
        """The chart, or None when no Chart.yaml with a usable name and version was found."""
        named = _read_chart_yaml(self._unpacker.chart_yaml or b"")
        if not named:
            return None
        return ChartFile(
            name=named.name,
            version=named.version,
            type=named.type,
            size_bytes=self._size_bytes,
            digest=Digest(f"sha256:{self._sha256.hexdigest()}"),
        )


class ChartUpload:
    """The body of an upload as it goes by: a .tgz, or a form with the .tgz in a part of that name.

    ChartMuseum takes a body for a form when its media type is multipart/form-data, else for a .tgz. A
    form that holds a provenance file only has no chart.
    """

    def __init__(
        self,
        content_type: str,
        form_fields: tuple[str, ...] = ("chart",),
        *,
        largest_archive_bytes: int = LARGEST_ARCHIVE_BYTES,
    ) -> None:
        self._chart = ChartDownload(largest_archive_bytes=largest_archive_bytes)
        self._form: _Form | None = None
        if media_type_of(content_type) == "multipart/form-data":
            self._form = _Form(content_type, form_fields, self._chart)

    def feed(self, data: bytes | memoryview) -> None:
        (self._form or self._chart).feed(data)

    def finish(self) -> ChartFile | None:
        """The chart, or None when there was none or it could not be read."""
        if self._form and not self._form.has_whole_chart:
            return None
        return self._chart.finish()


class _Form:
    """Hands the bytes of the first chart part to a ChartDownload; everything else goes by unread."""

    def __init__(self, content_type: str, fields: tuple[str, ...], chart: ChartDownload) -> None:
        self.has_whole_chart = False
        self._fields = fields
        self._chart = chart
        self._is_in_chart = False
        self._parts = 0
        self._header_name = b""
        self._header_value = b""
        self._part_name = ""
        self._parser = self._parser_of(content_type)

    def _parser_of(self, content_type: str) -> MultipartParser | None:
        boundary = _parameter(content_type, b"boundary")
        try:
            return MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_header_begin": self._begin_header,
                    "on_header_field": self._add_header_name,
                    "on_header_value": self._add_header_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._begin_content,
                    "on_part_data": self._add_content,
                    "on_part_end": self._end_part,
                },
                max_header_size=_LONGEST_PART_HEADER,
            )
        except FormParserError:
            return None

    def feed(self, data: bytes | memoryview) -> None:
        if not self._parser:
            return
        try:
            self._parser.write(bytes(data))
        except FormParserError:
            self._parser = None
        if self.has_whole_chart:
            self._parser = None

    def _begin_part(self) -> None:
        self._parts += 1
        self._part_name = ""
        if self._parts > _MOST_PARTS:
            raise MultipartParseError(f"form has more than {_MOST_PARTS} parts")

    def _begin_header(self) -> None:
        self._header_name = self._header_value = b""

    def _add_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _add_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _end_header(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            value = self._header_value.decode("latin-1")
            self._part_name = _parameter(value, b"name").decode(errors="replace")

    def _begin_content(self) -> None:
        self._is_in_chart = not self.has_whole_chart and self._part_name in self._fields

    def _add_content(self, data: bytes, start: int, end: int) -> None:
        if self._is_in_chart:
            self._chart.feed(memoryview(data)[start:end])

    def _end_part(self) -> None:
        self.has_whole_chart |= self._is_in_chart
        self._is_in_chart = False


def _parameter(header: str, name: bytes) -> bytes:
    try:
        return parse_options_header(header)[1].get(name, b"")
    except UnicodeEncodeError:  # a header with characters that no client can have sent
        return b""


class _ChartYaml(NamedTuple):
    name: str
    version: str
    type: str


def _read_chart_yaml(text: bytes) -> _ChartYaml | None:
    try:
        values = _outermost_values(text)
    except (yaml.YAMLError, ValueError):
        return None
    name, version = values.get("name", ""), values.get("version", "")
    if not _NAME.fullmatch(name) or not _VERSION.fullmatch(version):
        return None
    return _ChartYaml(name, version, "library" if values.get("type") == "library" else "application")


def _outermost_values(text: bytes) -> dict[str, str]:
    """The scalars of the first document's outermost mapping, as far as the bounds let it be read.

    Keys are lower case: Go's encoding/json takes `Name` for `name`, unless both are there.
    Read from the parser's events and never composed: nesting takes no stack, and an alias costs nothing,
    however often it is used (billion laughs).
    """
    nodes: list[str | None] = []  # keys and values in turn, None for what is no scalar
    anchors: dict[str, str | None] = {}
    depth = 0
    for event in islice(yaml.parse(text, Loader=yaml.CSafeLoader), _MOST_YAML_EVENTS):
        if isinstance(event, yaml.NodeEvent):
            if not depth and not isinstance(event, yaml.MappingStartEvent):
                break
            value = _scalar(event, anchors)
            nodes += [value] if depth == 1 else []
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.DocumentEndEvent) or depth > _DEEPEST_YAML:
            break
    pairs = zip(nodes[::2], nodes[1::2], strict=False)
    known = [(key, value) for key, value in pairs if key is not None and value is not None]
    return {key.lower(): value for key, value in sorted(known, key=itemgetter(0))}


def _scalar(event: yaml.NodeEvent, anchors: dict[str, str | None]) -> str | None:
    """A scalar or what an alias of one stands for; None for a collection."""
    anchor: str | None = event.anchor
    if isinstance(event, yaml.AliasEvent):
        return anchors.get(anchor or "")
    value = _as_helm_reads(event) if isinstance(event, yaml.ScalarEvent) else None
    if anchor:
        anchors[anchor] = value
    return value


_DECIMAL = re.compile(r"\d{1,6}\.\d{1,9}")
_OCTAL = re.compile(r"0[0-7]{1,9}")


def _as_helm_reads(event: yaml.ScalarEvent) -> str:
    # An unquoted 1.10 is a number to YAML, and helm stores the chart as 1.1; so is 010, which is 8
    # (sigs.k8s.io/yaml, convertToJSONableObject, where a string is wanted; seen in ChartMuseum).
    text: str = event.value
    if event.style or not event.implicit[0]:
        return text
    if _DECIMAL.fullmatch(text):
        return repr(float(text)).removesuffix(".0")
    return str(int(text, 8)) if _OCTAL.fullmatch(text) else text


_STRICT_VERSION = re.compile(
    r"v?(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?"
)
_LOOSE_VERSION = re.compile(r"v?\d+(\.\d+){0,2}([-+].*)?")


def chart_name_version(file_name: str) -> tuple[str, str]:
    """Name and version of a chart of which only the file's name is known; version "" without any.

    Both may contain hyphens, so this is a guess: the longest end that is a whole version
    (`foo-1.0.0-2` is version 1.0.0-2 of foo), else the longest that begins like one.
    """
    stem = file_name.removesuffix(".tgz")
    splits = [(stem[: at.start()], stem[at.end() :]) for at in re.finditer("-", stem) if at.start()]
    for pattern in (_STRICT_VERSION, _LOOSE_VERSION):
        for name, version in splits:
            if pattern.fullmatch(version):
                return name, version
    return stem, ""
