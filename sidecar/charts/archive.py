"""Finds the files of a chart archive that name the chart.

It reads a .tgz as Go does, to its end, because the last Chart.yaml counts; nothing is written to disk,
and the contents of other files are discarded. Archives beyond the limits raise NotUnderstood, and so do those that
no chart repository accepts. Sources: helm pkg/chart/loader/archive.go and load.go (which entries, which
limits), Go archive/tar and compress/gzip, POSIX pax "ustar Interchange Format".
"""

import posixpath
import re
import zlib
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from sidecar.model.errors import NotUnderstood

#: As helm: MaxDecompressedChartSize, MaxDecompressedFileSize.
_MOST_UNPACKED_BYTES: Final = 100 * 1024 * 1024
_LARGEST_FILE_BYTES: Final = 5 * 1024 * 1024
_LARGEST_EXTENSION_BYTES: Final = 1024 * 1024  # as Go: maxSpecialFileSize
_MOST_ENTRIES: Final = 20_000
_MOST_EXTENSIONS: Final = 20_000
_MOST_EXTENSION_BYTES: Final = 16 * 1024 * 1024  # of all together
_MOST_GZIP_MEMBERS: Final = 1_000
_STEP_BYTES: Final = 256 * 1024
_GZIP: Final = 31  # zlib's wbits for a gzip header and the largest window
_BOM: Final = b"\xef\xbb\xbf"


class ArchiveFile(NamedTuple):
    """A file below the archive's first folder."""

    path: str
    content: bytes
    is_plain: bool  #: a regular file of an ordinary archive


def read_files(archive: bytes | memoryview, paths: Iterable[str]) -> list[ArchiveFile]:
    """The files with one of these paths, in order; a path may occur several times.

    Raises NotUnderstood.
    """
    wanted = frozenset(paths)
    unpacked = _Unpacked(archive)
    try:
        return [found for found in _files(unpacked, wanted) if found]
    except zlib.error as exc:
        raise NotUnderstood("it is not a gzip file") from exc


class _Unpacked:
    """The bytes of a .tgz, decompressed as they are read."""

    def __init__(self, archive: bytes | memoryview) -> None:
        self._archive = memoryview(archive)
        self._at = 0
        self._inflater = zlib.decompressobj(_GZIP)
        self._members = 1
        self._bytes = 0
        self._ready = b""
        self._used = 0  # of the decompressed bytes

    def read(self, size_bytes: int) -> bytes:
        """The next bytes, as many as asked for; fewer at the end."""
        pieces: list[bytes] = []
        while size_bytes and self._fill():
            piece = self._ready[self._used : self._used + size_bytes]
            self._used += len(piece)
            size_bytes -= len(piece)
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def skip(self, size_bytes: int) -> None:
        while size_bytes and self._fill():
            skipped = min(size_bytes, len(self._ready) - self._used)
            self._used += skipped
            size_bytes -= skipped

    def _fill(self) -> bool:
        """Whether there are more bytes."""
        while self._used >= len(self._ready):
            compressed = self._inflater.unconsumed_tail
            if self._inflater.eof:
                compressed = self._next_member()
            if not compressed:
                compressed = bytes(self._archive[self._at : self._at + _STEP_BYTES])
                self._at += len(compressed)
            if not compressed:
                return False
            self._ready, self._used = self._inflater.decompress(compressed, _STEP_BYTES), 0
            self._bytes += len(self._ready)
            if self._bytes > 2 * _MOST_UNPACKED_BYTES:  # headers and padding are not counted by helm
                raise NotUnderstood("it unpacks to very much")
        return True

    def _next_member(self) -> bytes:
        # Several gzip streams in a row are one file (RFC 1952 2.2); Go reads them so.
        rest = self._inflater.unused_data
        if not rest and self._at >= len(self._archive):
            return b""
        self._inflater = zlib.decompressobj(_GZIP)
        self._members += 1
        if self._members > _MOST_GZIP_MEMBERS:
            raise NotUnderstood("it has many gzip streams")
        return rest


_BLOCK: Final = 512
_ZEROS: Final = bytes(_BLOCK)
_REGULAR: Final = (b"0", b"\0", b"7")
_FOLDER: Final = b"5"
_WITHOUT_CONTENT: Final = (b"1", b"2", b"3", b"4", b"5", b"6")  # links, devices, folders: size means nothing
_PAX: Final = b"x"
_GLOBAL_PAX: Final = b"g"
_GNU_LONG_NAME: Final = b"L"
_GNU_LONG_LINK: Final = b"K"
_GNU_SPARSE: Final = b"S"
_EXTENSIONS: Final = (_PAX, _GLOBAL_PAX, _GNU_LONG_NAME, _GNU_LONG_LINK)
_MODE_FOLDER: Final = 0o40000
_OCTAL = re.compile(rb"[0-7]*")
_PAX_LENGTH = re.compile(rb"(\d{1,7}) ")


class _Entry(NamedTuple):
    """The header of one entry of a tar archive."""

    name: str
    size_bytes: int
    mode: int
    type: bytes

    @property
    def padding_bytes(self) -> int:
        return -self.size_bytes % _BLOCK

    @property
    def is_folder(self) -> bool:
        if self.type == b"\0" and self.name.endswith("/"):
            return True
        return self.type == _FOLDER or self.mode & 0o170000 == _MODE_FOLDER

    @property
    def path(self) -> str:
        """Below the first folder, whose name does not matter.

        An archive made on Windows may have backslashes.
        """
        separator = "\\" if "\\" in self.name else "/"
        rest = self.name.partition(separator)[2].replace(separator, "/")
        return posixpath.normpath(rest)


def _files(unpacked: _Unpacked, wanted: frozenset[str]) -> Iterator[ArchiveFile | None]:
    for entry, is_ordinary in _entries(unpacked):
        if entry.is_folder or entry.path not in wanted:
            unpacked.skip(entry.size_bytes + entry.padding_bytes)
            yield None
            continue
        if entry.size_bytes > _LARGEST_FILE_BYTES:
            raise NotUnderstood("a file is larger than helm reads")
        content = unpacked.read(entry.size_bytes).removeprefix(_BOM)
        unpacked.skip(entry.padding_bytes)
        yield ArchiveFile(entry.path, content, is_plain=is_ordinary and entry.type in _REGULAR)


def _entries(unpacked: _Unpacked) -> Iterator[tuple[_Entry, bool]]:
    """Real entries, before their content is read, each with whether it is understood."""
    extension: dict[str, str] = {}
    extensions = extension_bytes = 0
    for _ in range(_MOST_ENTRIES + _MOST_EXTENSIONS):
        entry = _parse_entry(unpacked.read(_BLOCK))
        if entry is None:
            return
        if entry.type not in _EXTENSIONS:
            yield _extended(entry, extension)
            extension = {}
            continue
        extensions, extension_bytes = extensions + 1, extension_bytes + entry.size_bytes
        if entry.size_bytes > _LARGEST_EXTENSION_BYTES or extension_bytes > _MOST_EXTENSION_BYTES:
            raise NotUnderstood("it says much about its entries")
        if extensions > _MOST_EXTENSIONS:
            break
        content = unpacked.read(entry.size_bytes)
        unpacked.skip(entry.padding_bytes)
        extension = _next_extension(extension, entry.type, content)
    raise NotUnderstood("it has many entries")


def _next_extension(extension: dict[str, str], kind: bytes, content: bytes) -> dict[str, str]:
    """The attributes collected for the next entry, including those of this one.

    As in Go: PAX records replace earlier ones; a global header is an entry of its own and resets them.
    """
    if kind == _GLOBAL_PAX:
        return {}
    long_name = {"\0name": extension["\0name"]} if "\0name" in extension else {}
    match kind:
        case b"x":
            return _parse_pax(content) | long_name
        case b"L":
            return extension | {"\0name": _c_string(content)}
        case _:
            return extension


def _extended(entry: _Entry, extension: dict[str, str]) -> tuple[_Entry, bool]:
    """The entry with the attributes of its extension; whether all of them are understood."""
    size_bytes = entry.size_bytes
    if extension.get("size"):
        if not extension["size"].isdecimal():
            raise NotUnderstood("a size is no number")
        size_bytes = int(extension["size"][:20])
    is_sparse = entry.type == _GNU_SPARSE or any(key.startswith("GNU.sparse") for key in extension)
    return entry._replace(
        name=extension.get("\0name") or extension.get("path") or entry.name,
        size_bytes=0 if entry.type in _WITHOUT_CONTENT else size_bytes,
    ), not is_sparse


def _parse_entry(block: bytes) -> _Entry | None:
    """None at the end of the archive."""
    if len(block) < _BLOCK or block == _ZEROS:
        return None
    size, mode = _parse_number(block[124:136]), _parse_number(block[100:108])
    if size is None or not _has_checksum(block):
        raise NotUnderstood("it is not a tar archive")
    return _Entry(_name_of(block), size, mode or 0, type=block[156:157])


def _has_checksum(block: bytes) -> bool:
    """Whether the header's checksum is right, its own field counted as blanks; old tars used signed bytes."""
    checksum = _parse_number(block[148:156])
    blanked = block[:148] + b" " * 8 + block[156:]
    return checksum == sum(blanked) or checksum == sum(memoryview(blanked).cast("b"))


def _parse_number(field: bytes) -> int | None:
    """Octal text, or with the first bit set a base-256 number (GNU); None for a negative or invalid one."""
    if field[0] & 0x80:
        return None if field[0] & 0x40 else int.from_bytes(field, "big") - (0x80 << 8 * (len(field) - 1))
    digits = field.strip(b" \0").partition(b"\0")[0]
    return int(digits or b"0", 8) if _OCTAL.fullmatch(digits) else None


def _name_of(block: bytes) -> str:
    name = _c_string(block[:100])
    prefix = _prefix_of(block)
    return f"{prefix}/{name}" if prefix else name


def _prefix_of(block: bytes) -> str:
    if block[257:263] != b"ustar\0":
        return ""
    is_star = block[508:512] == b"tar\0"  # Schilling's: times stand behind a shorter prefix
    return _c_string(block[345:476] if is_star else block[345:500])


def _c_string(field: bytes) -> str:
    return field.partition(b"\0")[0].decode(errors="replace")


def _parse_pax(content: bytes) -> dict[str, str]:
    """PAX records; an empty value removes the attribute."""
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
