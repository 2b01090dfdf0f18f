"""Finds a chart's Chart.yaml in a .tgz while the bytes go by.

Nothing is kept but that one file, nothing is written anywhere, and every loop has a bound, because the
bytes come from strangers: what lies beyond the bounds is not found. Nothing here raises.
Sources: helm pkg/chart/loader/archive.go (which entry it is), Go archive/tar and compress/gzip (what a
chart repository written in Go accepts), POSIX pax "ustar Interchange Format".
"""

import posixpath
import re
import zlib
from collections.abc import Generator
from typing import Final, NamedTuple

_MOST_UNPACKED_BYTES: Final = 8 * 1024 * 1024
_LARGEST_FILE_BYTES: Final = 1024 * 1024  # Chart.yaml, or a long name
_MOST_ENTRIES: Final = 10_000
_MOST_GZIP_MEMBERS: Final = 1_000
_STEP_BYTES: Final = 64 * 1024
_GZIP: Final = 31  # zlib's wbits for a gzip header and the largest window


class Unpacker:
    """Unpacks a .tgz until its Chart.yaml was found or a bound was reached."""

    def __init__(self) -> None:
        self.chart_yaml: bytes | None = None  #: once it was found
        self._is_done = False
        self._inflater = zlib.decompressobj(_GZIP)
        self._members = 1
        self._unpacked_bytes = 0
        self._walk = _walk_tar()
        self._want = next(self._walk)
        self._missing = self._want.size_bytes
        self._held = bytearray()

    def feed(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        for start in range(0, len(view), _STEP_BYTES):
            if self._is_done:
                return
            try:
                self._inflate(bytes(view[start : start + _STEP_BYTES]))
            except zlib.error:
                self._is_done = True

    def _inflate(self, compressed: bytes) -> None:
        # max_length keeps a bomb small; what it holds back comes out in the next round.
        while not self._is_done:
            unpacked = self._inflater.decompress(compressed, _STEP_BYTES)
            self._untar(memoryview(unpacked))
            compressed = self._inflater.unconsumed_tail
            if self._inflater.eof:
                compressed = self._inflater.unused_data
                self._begin_member()
            if not compressed and len(unpacked) < _STEP_BYTES:
                return

    def _begin_member(self) -> None:
        # Several gzip streams in a row are one file (RFC 1952 2.2); Go reads them so.
        self._inflater = zlib.decompressobj(_GZIP)
        self._members += 1
        self._is_done |= self._members > _MOST_GZIP_MEMBERS

    def _untar(self, unpacked: memoryview) -> None:
        self._unpacked_bytes += len(unpacked)
        while not self._is_done:
            taken, unpacked = unpacked[: self._missing], unpacked[self._missing :]
            self._missing -= len(taken)
            if self._want.is_kept:
                self._held += taken
            if self._missing:
                break
            self._step()
        self._is_done |= self._unpacked_bytes >= _MOST_UNPACKED_BYTES

    def _step(self) -> None:
        try:
            self._want = self._walk.send(bytes(self._held))
        except StopIteration as stop:
            self.chart_yaml = stop.value
            self._is_done = True
        self._held.clear()
        self._missing = self._want.size_bytes


class _Want(NamedTuple):
    """The next bytes of an archive: to be handed over, or to be passed over."""

    size_bytes: int
    is_kept: bool = True


_BLOCK: Final = 512
_REGULAR: Final = (b"0", b"\0", b"7")
_WITHOUT_CONTENT: Final = (b"1", b"2", b"3", b"4", b"5", b"6")  # links, devices, folders: size means nothing
_PAX: Final = b"x"
_GNU_LONG_NAME: Final = b"L"
_OCTAL = re.compile(rb"[0-7]*")
_PAX_LENGTH = re.compile(rb"(\d{1,7}) ")


class _Entry(NamedTuple):
    """The header of one entry of a tar archive."""

    name: str
    size_bytes: int
    type: bytes

    @property
    def padded_bytes(self) -> int:
        return -(-self.size_bytes // _BLOCK) * _BLOCK

    @property
    def is_extension(self) -> bool:
        """Whether it describes the entry behind it."""
        return self.type in {_PAX, _GNU_LONG_NAME}

    @property
    def is_chart_yaml(self) -> bool:
        """Whether helm takes it for the chart's own Chart.yaml.

        What the first part of the path is does not matter; an archive made on Windows may have
        backslashes; a sub-chart's Chart.yaml lies deeper.
        """
        separator = "\\" if "\\" in self.name else "/"
        rest = self.name.partition(separator)[2].replace(separator, "/")
        return self.type in _REGULAR and posixpath.normpath(rest) == "Chart.yaml"


def _walk_tar() -> Generator[_Want, bytes, bytes | None]:
    """Read a tar archive up to its Chart.yaml: yields what it wants next, returns the content."""
    extension: dict[str, str] = {}
    for _ in range(_MOST_ENTRIES):
        entry = _parse_entry((yield _Want(_BLOCK)), extension)
        if not entry:
            return None
        is_kept = entry.is_extension or entry.is_chart_yaml
        if is_kept and entry.size_bytes > _LARGEST_FILE_BYTES:
            return None
        content = (yield _Want(entry.padded_bytes, is_kept))[: entry.size_bytes]
        if entry.is_chart_yaml:
            return content
        extension = extension | _parse_extension(entry.type, content) if entry.is_extension else {}
    return None


def _parse_entry(block: bytes, extension: dict[str, str]) -> _Entry | None:
    """An entry with what its extension says; None at the end of the archive and for no header."""
    size = _parse_number(block[124:136])
    if size is None or not _has_checksum(block):
        return None
    entry = _Entry(_name_of(block), size, type=block[156:157])
    if entry.is_extension:
        return entry
    if extension.get("size", "").isdecimal():
        size = int(extension["size"][:20])
    return entry._replace(
        name=extension.get("path") or entry.name,
        size_bytes=0 if entry.type in _WITHOUT_CONTENT else size,
    )


def _has_checksum(block: bytes) -> bool:
    """Whether the header's bytes add up, its own field taken as blanks; old tars added signed bytes."""
    checksum = _parse_number(block[148:156])
    blanked = block[:148] + b" " * 8 + block[156:]
    return checksum == sum(blanked) or checksum == sum(memoryview(blanked).cast("b"))


def _parse_number(field: bytes) -> int | None:
    """Octal text, or with the first bit set a base-256 number (GNU); None for what is negative or none."""
    if field[0] & 0x80:
        return None if field[0] & 0x40 else int.from_bytes(field, "big") - (0x80 << 8 * (len(field) - 1))
    digits = field.strip(b" \0")
    return int(digits or b"0", 8) if _OCTAL.fullmatch(digits) else None


def _name_of(block: bytes) -> str:
    name = _c_string(block[:100])
    prefix = _c_string(block[345:500]) if block[257:263] == b"ustar\0" else ""
    return f"{prefix}/{name}" if prefix else name


def _c_string(field: bytes) -> str:
    return field.partition(b"\0")[0].decode(errors="replace")


def _parse_extension(entry_type: bytes, content: bytes) -> dict[str, str]:
    """What an extension says; of malformed PAX records the good ones before."""
    if entry_type == _GNU_LONG_NAME:
        return {"path": _c_string(content)}
    records: dict[str, str] = {}
    at = 0
    while length := _PAX_LENGTH.match(content, at):  # "<length of all this> <key>=<value>\n"
        end = at + int(length[1])
        if end <= length.end():
            break
        key, _, value = content[length.end() : end].removesuffix(b"\n").partition(b"=")
        records[key.decode(errors="replace")] = value.decode(errors="replace")
        at = end
    return records
