"""Forms as Go takes them; tests/wire/test_chart_names.py sends such forms to the real ChartMuseum."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.charts.form import boundary_of, form_files, is_form, parse_media_type

FILE = b'Content-Disposition: form-data; name="chart"; filename="c.tgz"\r\n'


def files_of(body: bytes, boundary: bytes = b"b") -> list[tuple[str, str, bytes]]:
    return [(found.field, found.file_name, bytes(found.content)) for found in form_files(body, boundary)]


def a_part(content: bytes, head: bytes = FILE) -> bytes:
    return b"--b\r\n" + head + b"\r\n" + content + b"\r\n--b--\r\n"


@pytest.mark.parametrize(
    "body",
    [
        a_part(b"x"),
        b"preamble\r\n\r\n" + a_part(b"x"),
        a_part(b"x").replace(b"\r\n", b"\n"),
        a_part(b"x").replace(b"--b\r\n", b"--b  \t\r\n").replace(b"--b--\r\n", b"--b-- \r\n"),
        a_part(b"x") + b"epilogue",
        a_part(b"x", FILE.replace(b"; file", b";\r\n\t file")),
        a_part(b"x", b"X: " + b"y" * 100_000 + b"\r\n" + FILE),
        a_part(b"x", FILE.replace(b"Content-D", b"content-d")),
        a_part(b"x", FILE.replace(b'name="chart"', b"name*=utf-8''%63hart")),
        a_part(b"x", FILE.replace(b'name="chart"', b'name*0="ch"; name*1=art')),
        a_part(b"x", FILE.replace(b'"c.tgz"', b'"C:/dir/c.tgz"')),
        a_part(b"=78=\r\n", b"Content-Transfer-Encoding: Quoted-Printable\r\n" + FILE),
        b"--b\r\nContent-Disposition: form-data; name=chart\r\n\r\nno file\r\n" + a_part(b"x"),
        b"--b\r\nContent-Disposition: \xff;;=;name\r\nX: y\r\n\r\nz\r\n" + a_part(b"x"),
    ],
)
def test_file_is_found(body: bytes) -> None:
    assert files_of(body) == [("chart", "c.tgz", b"x")]


@pytest.mark.parametrize(
    "content", [b"", b"\r\n", b"--b", b"\r\n--bx\r\n", b"\r\n--\r\n", b"\n--b\n", b"a\r\nb\r\n\r\n"]
)
def test_content_is_found_to_its_end(content: bytes) -> None:
    expected = b"" if content == b"--b" else content  # a boundary, although not after a line end
    assert files_of(a_part(content))[0][2] == expected


def test_several_files_come_in_their_order() -> None:
    second = FILE.replace(b"chart", b"prov").replace(b"c.tgz", b"p")
    body = a_part(b"x").removesuffix(b"--b--\r\n") + a_part(b"y", second)
    assert files_of(body) == [("chart", "c.tgz", b"x"), ("prov", "p", b"y")]


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Disposition: attachment; name=chart; filename=x\r\n",
        b"Content-Disposition: form-data; name=chart\r\n",
        b"Content-Disposition: form-data; filename=x\r\n",
        b"Content-Disposition: form-data; name=chart; name=other; filename=x\r\n",
        b"Content-Disposition: form-data; name=chart; filename\r\n",
        b"Content-Disposition : form-data; name=chart; filename=x\r\n",
        b"",
    ],
)
def test_part_that_is_no_file_to_go_is_passed_over(head: bytes) -> None:
    assert files_of(a_part(b"x", head)) == []


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("multipart/form-data; boundary=b", True),
        ("multipart/form-data;boundary=b", True),
        ("multipart/form-data boundary=b", True),
        ("Multipart/form-data; boundary=b", False),
        ("multipart/form-data\t; boundary=b", False),
        ("", False),
    ],
)
def test_form_is_what_gin_takes_for_one(content_type: str, *, expected: bool) -> None:
    assert is_form(content_type) is expected


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=b", b"b"),
        ('multipart/form-data; charset=x; boundary="a b"', b"a b"),
        (r'multipart/form-data; boundary="a\"b"', b'a"b'),
        ("multipart/form-data", b""),
        ("multipart/form-data; boundary=", b""),
        ("multipart/form-data; boundary=\udce4", b""),
    ],
)
def test_boundary_is_read(content_type: str, boundary: bytes) -> None:
    assert boundary_of(content_type) == boundary


def test_trailing_semicolon_is_no_error() -> None:
    assert parse_media_type(b"Form-Data; NAME=x ; ") == ("form-data", {"name": b"x"})
    assert parse_media_type(b"form-data; name=x;;") == ("form-data", {})
    assert parse_media_type(b"a/b/c; x=y") == ("", {})


@given(st.binary(max_size=300), st.binary(max_size=5))
def test_any_body_and_boundary_do_no_harm(body: bytes, boundary: bytes) -> None:
    files_of(body, boundary)
    files_of(a_part(body), b"b")
    parse_media_type(body)
