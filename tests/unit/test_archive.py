"""Bounds of the walk through an archive; what a chart's Chart.yaml says is test_chartfile's."""

import gzip
import io
import tarfile
import tracemalloc
import zlib
from collections.abc import Mapping
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.archive import Unpacker

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


def found_in(archive: bytes, *, chunk_bytes: int = 1 << 30) -> bytes | None:
    unpacker = Unpacker()
    for start in range(0, len(archive), chunk_bytes):
        unpacker.feed(archive[start : start + chunk_bytes])
    return unpacker.chart_yaml


def found_in_tar(tar: bytes) -> bytes | None:
    return found_in(gzip.compress(tar))


def with_size_field(tar: bytes, field: bytes) -> bytes:
    """The first header with another size, its checksum mended."""
    header = tar[:124] + field + tar[136:148] + b" " * 8 + tar[156:512]
    checksum = b"%06o\0 " % sum(header)
    return header[:148] + checksum + header[156:] + tar[512:]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_chart_yaml_is_found_in_every_tar_format(form: int) -> None:
    tar = a_tar({"app/values.yaml": b"a: 1" * 1000, "app/Chart.yaml": CHART_YAML}, form=form)
    assert found_in_tar(tar) == CHART_YAML


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("folder", ["a" * 200, "é" * 60])
def test_chart_yaml_is_found_below_a_long_name(form: int, folder: str) -> None:
    tar = a_tar({f"{folder}/x": b"", f"{folder}/Chart.yaml": CHART_YAML}, form=form)
    assert found_in_tar(tar) == CHART_YAML


def test_chart_yaml_is_found_below_a_prefix() -> None:
    assert found_in_tar(a_tar({f"{'a' * 120}/Chart.yaml": CHART_YAML})) == CHART_YAML


@pytest.mark.parametrize(
    "path", ["app/Chart.yaml", "app/Chart.yaml/", "app/./Chart.yaml", "app\\Chart.yaml", "../Chart.yaml"]
)
def test_paths_that_helm_takes_for_chart_yaml(path: str) -> None:
    assert found_in_tar(a_tar({path: CHART_YAML})) == CHART_YAML


@pytest.mark.parametrize(
    "path",
    [
        "Chart.yaml",
        "app/charts/sub/Chart.yaml",
        "./app/Chart.yaml",
        "/app/Chart.yaml",
        "app//Chart.yaml",
        "app/chart.yaml",
        "app/Chart.yaml.orig",
        "a/b\\c\\Chart.yaml",
    ],
)
def test_paths_that_are_not_the_charts_own(path: str) -> None:
    assert found_in_tar(a_tar({path: CHART_YAML})) is None


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE])
def test_only_a_regular_file_is_chart_yaml(kind: bytes) -> None:
    entry = tarfile.TarInfo("app/Chart.yaml")
    entry.type = kind
    entry.size = 10
    tar = entry.tobuf() + a_tar({"app/Chart.yaml": CHART_YAML})
    assert found_in_tar(tar) == CHART_YAML


def test_a_long_name_is_for_the_next_entry_only() -> None:
    tar = a_tar({"a" * 150 + "/Chart.yaml": b""}, form=tarfile.GNU_FORMAT)[: 512 * 2]
    assert found_in_tar(tar + a_tar({"x": b"x", "app/Chart.yaml": CHART_YAML})) == b"x"
    assert found_in_tar(tar + a_tar({"app/x": b""}) + a_tar({})) == b""


def test_size_in_base_256_is_read() -> None:
    tar = with_size_field(
        a_tar({"app/Chart.yaml": CHART_YAML}), b"\x80" + len(CHART_YAML).to_bytes(11, "big")
    )
    assert found_in_tar(tar) == CHART_YAML


@pytest.mark.parametrize(
    "field",
    [b"\xff" * 12, b"-0000000001\0", b"77777777777\0", b"\x80" + b"\x7f" * 11, b"9" * 12, b"zz", b"\0\0-1"],
)
def test_negative_huge_or_senseless_size_finds_nothing(field: bytes) -> None:
    tar = with_size_field(a_tar({"app/Chart.yaml": CHART_YAML}), field.ljust(12, b"\0"))
    assert found_in_tar(tar) is None


def test_wrong_checksum_ends_the_search() -> None:
    tar = bytearray(a_tar({"app/Chart.yaml": CHART_YAML}))
    tar[0] ^= 1
    assert found_in_tar(bytes(tar)) is None


def test_pax_size_wins_over_the_header() -> None:
    body = b"16 size=" + b"%d\n" % len(CHART_YAML)
    body = b"%d size=%d\n" % (len(b"11 size=24\n"), len(CHART_YAML))
    extension = tarfile.TarInfo("pax")
    extension.type = tarfile.XHDTYPE
    extension.size = len(body)
    tar = with_size_field(a_tar({"app/Chart.yaml": CHART_YAML}), b"0" * 11 + b"\0")
    assert found_in_tar(extension.tobuf() + body.ljust(512, b"\0") + tar) == CHART_YAML


@given(st.binary(max_size=200))
def test_malformed_pax_records_do_no_harm(records: bytes) -> None:
    extension = tarfile.TarInfo("pax")
    extension.type = tarfile.XHDTYPE
    extension.size = len(records)
    padded = records.ljust(-(-len(records) // 512) * 512, b"\0")
    found_in_tar(extension.tobuf() + padded + a_tar({"app/Chart.yaml": CHART_YAML}))


def test_gzip_members_are_one_stream() -> None:
    tar = a_tar({"app/a": b"a" * 5000, "app/Chart.yaml": CHART_YAML})
    members = b"".join(gzip.compress(tar[at : at + 700]) for at in range(0, len(tar), 700))
    assert found_in(members) == CHART_YAML
    assert found_in(members, chunk_bytes=13) == CHART_YAML


def test_a_million_empty_gzip_members_cost_next_to_nothing() -> None:
    members = gzip.compress(b"") * 1_000_000
    assert _seconds(members + gzip.compress(a_tar({"app/Chart.yaml": CHART_YAML}))) < 2


def test_gzip_bomb_costs_next_to_nothing() -> None:
    bomb = a_bomb(200 * MIB)
    tracemalloc.start()
    seconds = _seconds(bomb)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seconds < 2
    assert peak_bytes < 8 * MIB


def a_bomb(size_bytes: int) -> bytes:
    """A .tgz whose first file is zeros, with a Chart.yaml behind them."""
    first = tarfile.TarInfo("app/zeros")
    first.size = size_bytes
    compressor = zlib.compressobj(9, wbits=31)
    parts = [compressor.compress(first.tobuf())]
    parts += [compressor.compress(bytes(MIB)) for _ in range(size_bytes // MIB)]
    return b"".join([*parts, compressor.compress(a_tar({"app/Chart.yaml": CHART_YAML})), compressor.flush()])


def _seconds(archive: bytes) -> float:
    began = perf_counter()
    assert found_in(archive) is None
    return perf_counter() - began


@pytest.mark.parametrize(("mib", "expected"), [(7, CHART_YAML), (8, None)])
def test_eight_mebibytes_are_unpacked(mib: int, expected: bytes | None) -> None:
    assert found_in(a_bomb(mib * MIB)) == expected


@pytest.mark.parametrize(("entries", "expected"), [(9_999, CHART_YAML), (10_000, None)])
def test_ten_thousand_entries_are_read(entries: int, expected: bytes | None) -> None:
    header = tarfile.TarInfo("app/x").tobuf()
    assert found_in_tar(header * entries + a_tar({"app/Chart.yaml": CHART_YAML})) == expected


def test_many_entries_cost_next_to_nothing() -> None:
    assert _seconds(gzip.compress(tarfile.TarInfo("app/x").tobuf() * 300_000, 1)) < 2


@pytest.mark.parametrize(("size_bytes", "is_found"), [(MIB, True), (MIB + 1, False)])
def test_chart_yaml_of_one_mebibyte_is_read(size_bytes: int, *, is_found: bool) -> None:
    content = b"#" * size_bytes
    assert (found_in_tar(a_tar({"app/Chart.yaml": content})) == content) is is_found


def test_every_truncation_finds_all_or_nothing() -> None:
    archive = gzip.compress(a_tar({"app/x": b"x" * 100, "app/Chart.yaml": CHART_YAML}))
    assert {found_in(archive[:end]) for end in range(len(archive) + 1)} == {None, CHART_YAML}


@given(st.binary(max_size=2000))
def test_garbage_does_no_harm(garbage: bytes) -> None:
    assert found_in(garbage) is None
    assert found_in(gzip.compress(garbage)) is None


@given(st.integers(0, 3000), st.binary(min_size=1, max_size=4))
def test_damaged_archives_do_no_harm(at: int, damage: bytes) -> None:
    tar = a_tar({"app/x": b"x" * 600, f"{'a' * 120}/Chart.yaml": CHART_YAML}, form=tarfile.PAX_FORMAT)
    found_in_tar(tar[:at] + damage + tar[at + len(damage) :])
    archive = gzip.compress(tar)
    found_in(archive[:at] + damage + archive[at + len(damage) :])


@given(st.integers(1, 700), st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
def test_the_chunking_makes_no_difference(chunk_bytes: int, form: int) -> None:
    files = {"app/a": b"a" * 700, "b" * 130: b"", f"{'c' * 130}/Chart.yaml": CHART_YAML}
    assert found_in(gzip.compress(a_tar(files, form=form)), chunk_bytes=chunk_bytes) == CHART_YAML
