"""Bounds of the walk through an archive; what a chart's Chart.yaml says is test_chartfile's."""

import gzip
import io
import tarfile
import zlib
from collections.abc import Mapping
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.charts.archive import read_files
from sidecar.model.errors import NotUnderstood

CHART_YAML = b"name: app\nversion: 1.0.0\n"
MIB = 1024 * 1024


def a_tar(files: Mapping[str, bytes], *, form: int = tarfile.USTAR_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def found_in(archive: bytes) -> list[bytes]:
    return [found.content for found in read_files(archive, ["Chart.yaml"])]


def found_in_tar(tar: bytes) -> list[bytes]:
    return found_in(gzip.compress(tar, 1))


def a_header(kind: bytes, size_bytes: int, name: str = "x") -> bytes:
    entry = tarfile.TarInfo(name)
    entry.type = kind
    entry.size = size_bytes
    return entry.tobuf()


def an_extension(kind: bytes, content: bytes) -> bytes:
    return a_header(kind, len(content)) + content + bytes(-len(content) % 512)


def with_size_field(tar: bytes, field: bytes) -> bytes:
    """The first header with another size, its checksum mended."""
    header = tar[:124] + field + tar[136:148] + b" " * 8 + tar[156:512]
    checksum = b"%06o\0 " % sum(header)
    return header[:148] + checksum + header[156:] + tar[512:]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_chart_yaml_is_found_in_every_tar_format(form: int) -> None:
    tar = a_tar({"app/values.yaml": b"a: 1" * 1000, "app/Chart.yaml": CHART_YAML}, form=form)
    assert found_in_tar(tar) == [CHART_YAML]


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("folder", ["a" * 200, "é" * 60])
def test_chart_yaml_is_found_below_a_long_name(form: int, folder: str) -> None:
    tar = a_tar({f"{folder}/x": b"", f"{folder}/Chart.yaml": CHART_YAML}, form=form)
    assert found_in_tar(tar) == [CHART_YAML]


def test_chart_yaml_is_found_below_a_prefix() -> None:
    assert found_in_tar(a_tar({f"{'a' * 120}/Chart.yaml": CHART_YAML})) == [CHART_YAML]


@pytest.mark.parametrize(
    "path", ["app/Chart.yaml", "app/./Chart.yaml", "app\\Chart.yaml", "../Chart.yaml", "./Chart.yaml"]
)
def test_paths_that_helm_takes_for_chart_yaml(path: str) -> None:
    assert found_in_tar(a_tar({path: CHART_YAML})) == [CHART_YAML]


@pytest.mark.parametrize(
    "path",
    [
        "Chart.yaml",
        "app/charts/sub/Chart.yaml",
        "./app/Chart.yaml",
        "/app/Chart.yaml",
        "app/chart.yaml",
        "app/Chart.yaml.orig",
        "a/b\\c\\Chart.yaml",
    ],
)
def test_paths_that_are_not_the_charts_own(path: str) -> None:
    assert found_in_tar(a_tar({path: CHART_YAML})) == []


def test_every_chart_yaml_is_found_in_its_order() -> None:
    tar = a_tar({"a/Chart.yaml": b"1", "b/Chart.yaml": b"2", "c/x": b"", "d/Chart.yaml": b"3"})
    assert found_in_tar(tar) == [b"1", b"2", b"3"]


def test_chart_yaml_is_found_behind_much_else() -> None:
    tar = a_tar({"app/a": bytes(9 * MIB), "app/b": bytes(9 * MIB), "app/Chart.yaml": CHART_YAML})
    assert found_in_tar(tar) == [CHART_YAML]


@pytest.mark.parametrize("kind", [tarfile.DIRTYPE])
def test_a_folder_is_no_chart_yaml(kind: bytes) -> None:
    assert found_in_tar(a_header(kind, 0, "app/Chart.yaml") + a_tar({"app/Chart.yaml": b"x"})) == [b"x"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, b"Z", b"S"])
def test_what_is_no_regular_file_leaves_doubt(kind: bytes) -> None:
    size_bytes = 1 if kind in {b"Z", b"S"} else 10  # of a link the size means nothing
    content = b"#" + bytes(511) if kind in {b"Z", b"S"} else b""
    tar = a_header(kind, size_bytes, "app/Chart.yaml") + content + a_tar({"app/Chart.yaml": CHART_YAML})
    files = read_files(gzip.compress(tar), ["Chart.yaml"])
    assert [found.is_plain for found in files] == [False, True]
    assert files[1].content == CHART_YAML


def test_a_long_name_is_for_the_next_entry_only() -> None:
    tar = a_tar({"a" * 150 + "/Chart.yaml": b""}, form=tarfile.GNU_FORMAT)[: 512 * 2]
    assert found_in_tar(tar + a_tar({"x": b"x", "app/Chart.yaml": CHART_YAML})) == [b"x", CHART_YAML]


def test_pax_records_replace_those_before_and_a_global_header_ends_them() -> None:
    path = b"23 path=app/Chart.yaml\n"
    other = b"19 path=app/values\n"
    pax, to_all = tarfile.XHDTYPE, tarfile.XGLTYPE
    entry = a_header(tarfile.REGTYPE, 1, "z/z") + b"1" + bytes(511)
    assert found_in_tar(an_extension(pax, other) + an_extension(pax, path) + entry) == [b"1"]
    assert found_in_tar(an_extension(pax, path) + an_extension(pax, other) + entry) == []
    assert found_in_tar(an_extension(pax, path) + an_extension(to_all, other) + entry) == []


def test_size_in_base_256_is_read() -> None:
    tar = with_size_field(
        a_tar({"app/Chart.yaml": CHART_YAML}), b"\x80" + len(CHART_YAML).to_bytes(11, "big")
    )
    assert found_in_tar(tar) == [CHART_YAML]


@pytest.mark.parametrize(
    "field", [b"\xff" * 12, b"-0000000001\0", b"77777777777\0", b"\x80" + b"\x7f" * 11, b"9" * 12, b"zz"]
)
def test_negative_huge_or_senseless_size_is_not_understood(field: bytes) -> None:
    tar = with_size_field(a_tar({"app/Chart.yaml": CHART_YAML}), field.ljust(12, b"\0"))
    with pytest.raises(NotUnderstood):
        found_in_tar(tar)


def test_wrong_checksum_is_not_understood() -> None:
    tar = bytearray(a_tar({"app/Chart.yaml": CHART_YAML}))
    tar[0] ^= 1
    with pytest.raises(NotUnderstood):
        found_in_tar(bytes(tar))


def test_pax_size_wins_over_the_header() -> None:
    record = b"%d size=%d\n" % (len(b"11 size=24\n"), len(CHART_YAML))
    tar = with_size_field(a_tar({"app/Chart.yaml": CHART_YAML}), b"0" * 11 + b"\0")
    assert found_in_tar(an_extension(tarfile.XHDTYPE, record) + tar) == [CHART_YAML]


def test_gzip_members_are_one_stream() -> None:
    tar = a_tar({"app/a": b"a" * 5000, "app/Chart.yaml": CHART_YAML})
    members = b"".join(gzip.compress(tar[at : at + 700]) for at in range(0, len(tar), 700))
    assert found_in(members) == [CHART_YAML]


def test_what_stands_behind_the_archive_is_not_looked_at() -> None:
    assert found_in(gzip.compress(a_tar({"app/Chart.yaml": CHART_YAML})) + b"garbage") == [CHART_YAML]


@pytest.mark.parametrize(
    "archive",
    [
        gzip.compress(b"") * 2_000 + gzip.compress(a_tar({"app/Chart.yaml": CHART_YAML})),
        gzip.compress(a_header(b"0", 0, "app/x") * 50_000, 1),
        gzip.compress(an_extension(b"x", b"9 a=bcde\n") * 21_000, 1),
        gzip.compress(an_extension(b"x", bytes(MIB + 1)), 1),
        gzip.compress(an_extension(b"x", bytes(MIB - 1)) * 20, 1),
        gzip.compress(a_tar({"app/Chart.yaml": bytes(5 * MIB + 1)}), 1),
    ],
    ids=["gzip members", "entries", "extensions", "an extension", "bytes of extensions", "Chart.yaml"],
)
def test_beyond_a_bound_nothing_is_read(archive: bytes) -> None:
    with pytest.raises(NotUnderstood):
        found_in(archive)


def test_a_bomb_is_not_unpacked_to_its_end() -> None:
    compressor = zlib.compressobj(9, wbits=31)
    parts = [compressor.compress(a_header(b"0", 300 * MIB, "app/zeros"))]
    parts += [compressor.compress(bytes(MIB)) for _ in range(300)]
    bomb = b"".join([*parts, compressor.flush()])
    with pytest.raises(NotUnderstood):
        found_in(bomb)


def test_every_truncation_finds_all_or_nothing() -> None:
    archive = gzip.compress(a_tar({"app/x": b"x" * 100, "app/Chart.yaml": CHART_YAML}))
    found = {tuple(found_in(archive[:end])) for end in range(len(archive) + 1)}
    assert {(), (CHART_YAML,)} <= found


@given(st.binary(max_size=2000))
def test_garbage_is_not_understood(garbage: bytes) -> None:
    for archive in (garbage, gzip.compress(garbage)):
        with suppress(NotUnderstood):
            assert found_in(archive) == []


@given(st.integers(0, 3000), st.binary(min_size=1, max_size=4))
def test_damaged_archives_raise_nothing_else(at: int, damage: bytes) -> None:
    tar = a_tar({"app/x": b"x" * 600, f"{'a' * 120}/Chart.yaml": CHART_YAML}, form=tarfile.PAX_FORMAT)
    archive = gzip.compress(tar)
    for damaged in (
        gzip.compress(tar[:at] + damage + tar[at + len(damage) :], 1),
        archive[:at] + damage + archive[at + len(damage) :],
    ):
        with suppress(NotUnderstood):
            found_in(damaged)
