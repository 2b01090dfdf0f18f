"""Chart uploads as odd as ChartMuseum may still take them, from a seed of choices (hypothesis).

Nothing here says what a chart is called: that is asked of the real ChartMuseum.
"""

import binascii
import gzip
import io
import tarfile
from dataclasses import dataclass

from hypothesis import strategies as st

_SCALARS = (
    *("app", "a-b", "App_1.x", "a+b", "a b", "café", "a@b", "日本", "x~y", "-a", "a:b", "a#b", "%41", "100%"),
    *(
        "1e3",
        "0x10",
        ".5",
        "0x1F",
        "1_000",
        "017",
        "0o17",
        "09",
        "0b11",
        "-5",
        "+5",
        "1.50",
        "1e400",
        "3.4e39",
    ),
    *(
        "yes",
        "no",
        "on",
        "OFF",
        "y",
        "N",
        "true",
        "null",
        "~",
        ".inf",
        ".NaN",
        "1:30",
        "12:30:45",
        "2001-01-01",
    ),
    *("2001-12-14t21:59:43.10-05:00", "'quoted'", '"dq\\t\\u00e9"', "'it''s'", '"\\x41"', "!!str yes"),
    *("!!binary Zm9v", "!!binary /w==", "!x y", "!!float 3", '!!int "3"', '! "yes"', "&a app", "|\n  block"),
    *(">-\n  folded\n  text", "1234567.5", "0.00001", "16777217.0", "123456789", "18446744073709551616"),
    *('"a\\0b"', '"a\\u2028b"', '"a\\u00a0b"', '"\\ud83d"', "<<", "=", "a  b", "a # comment"),
)
_VERSIONS = (
    *(
        "1.0.0",
        "1.2.3-rc.1",
        "v1.2.3",
        "1.2.3+build.5",
        "1.10",
        "2.0",
        "1",
        "'1.10'",
        '"2"',
        "1e3",
        "0x10",
        ".5",
    ),
    *(
        "1.20241125",
        "010",
        "1_0",
        "20240101",
        "1.0.0-1_2",
        "!!str 1.10",
        "!!float 2",
        "1.2",
        "0b11",
        "!!binary MS4y",
    ),
    *("v2", "01.2.3", "1.0.0-a-b-c", "|-\n  1.2.3", "1.23456789", "1234567.5", "1.2.3-0x1F", "-1", "1.0.0.0"),
)
_scalars = (
    st.sampled_from(_SCALARS) | st.floats(allow_nan=False).map(repr) | st.integers(-(10**20), 10**20).map(str)
)
_versions = st.sampled_from(_VERSIONS) | st.floats(0, 1e7).map(repr) | st.integers(0, 10**20).map(str)


@st.composite
def chart_yamls(draw: st.DrawFn) -> bytes:
    name, version = draw(_scalars), draw(_versions)
    layout = draw(st.sampled_from(_LAYOUTS))
    text = layout.format(name=name, version=version, other=draw(_scalars))
    kind = draw(st.sampled_from(("", "type: library\n", "type: application\n", "type: ~\n")))
    whole = f"apiVersion: v1\n{text}\n{kind}" if not text.startswith(("{{", "%", "--- {")) else text
    content = whole.encode("utf-8", "surrogatepass")
    return draw(st.sampled_from((b"", b"\xef\xbb\xbf", b"# first\n"))) + content


_LAYOUTS = (
    *("name: {name}\nversion: {version}",) * 6,
    "version: {version}\nname: {name}",
    "Name: {name}\nVersion: {version}",
    "name: {name}\nNAME: {other}\nversion: {version}",
    "name: {other}\nname: {name}\nversion: {version}",
    "x: &x\n  name: {name}\n<<: *x\nversion: {version}",
    "x: &x\n  name: {name}\n  version: 9.9.9\nversion: {version}\n<<: *x",
    "<<: [{{name: first}}, {{name: second}}]\nversion: {version}",
    "a: &v {version}\nversion: *v\nname: {name}",
    '"name": {name}\n? version\n: {version}',
    "name: {name}\nversion: {version}\n---\nname: second\nversion: 2.0.0",
    "name: {name}\nversion: {version}\ndependencies: []\nannotations: {{a: b}}",
    "!!binary bmFtZQ==: {name}\nversion: {version}",
    "name: {name}\nver\u017fion: {version}",
)


def _entry(tar: tarfile.TarFile, name: str, content: bytes, *, kind: bytes = tarfile.REGTYPE) -> None:
    entry = tarfile.TarInfo(name)
    entry.type = kind
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


@st.composite
def archives(draw: st.DrawFn) -> bytes:
    buffer = io.BytesIO()
    form = draw(st.sampled_from((tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)))
    folder = (
        draw(st.sampled_from(("app", "app", "app", "x" * 90, "é", ".", "..", "a\\b")))
        if draw(st.booleans())
        else "app"
    )
    chart_path = f"{folder}\\Chart.yaml" if folder == "a\\b" else f"{folder}/Chart.yaml"
    files: list[tuple[str, bytes, bytes]] = [(chart_path, draw(chart_yamls()), tarfile.REGTYPE)]
    for extra in draw(st.lists(st.sampled_from(_EXTRAS), max_size=3)):
        at = draw(st.integers(0, len(files)))
        content = draw(chart_yamls()) if extra[1] is None else extra[1]
        files.insert(at, (extra[0], content, extra[2]))
    with tarfile.open(fileobj=buffer, mode="w", format=form, encoding="utf-8") as tar:
        for name, content, kind in files:
            _entry(tar, name, content, kind=kind)
    return _compressed(draw, buffer.getvalue())


_EXTRAS: tuple[tuple[str, bytes | None, bytes], ...] = (
    ("app/values.yaml", b"a: 1\n", tarfile.REGTYPE),
    ("app/templates/x.yaml", b"x" * 2000, tarfile.REGTYPE),
    ("app/Chart.yaml", None, tarfile.REGTYPE),
    ("other/Chart.yaml", None, tarfile.REGTYPE),
    ("app/./Chart.yaml", None, tarfile.REGTYPE),
    ("app/Chart.yaml", None, tarfile.CONTTYPE),
    ("app/Chart.yaml", b"", tarfile.SYMTYPE),
    ("app/Chart.yaml", b"", tarfile.DIRTYPE),
    ("app/Chart.yaml", b"version: 3.3.3\n", b"Z"),
    ("app/requirements.yaml", None, tarfile.REGTYPE),
    ("app/requirements.yaml", b"dependencies: []\n", tarfile.REGTYPE),
    ("app/charts/sub/Chart.yaml", b"apiVersion: v1\nname: sub\nversion: 1.0.0\n", tarfile.REGTYPE),
    (f"app/{'n' * 80}/{'m' * 80}", b"x", tarfile.REGTYPE),
    ("app", b"", tarfile.DIRTYPE),
    ("app/big", b"z" * 300_000, tarfile.REGTYPE),
)


def _compressed(draw: st.DrawFn, tar: bytes) -> bytes:
    match draw(st.integers(0, 5)):
        case 0:
            return gzip.compress(tar[:700]) + gzip.compress(tar[700:])
        case 1:
            return gzip.compress(tar, 0)
        case 2:
            return gzip.compress(tar) + b"garbage"
        case 3:
            return gzip.compress(tar) + gzip.compress(b"more")
        case _:
            return gzip.compress(tar, 1)


@dataclass(frozen=True, slots=True)
class OddUpload:
    archive: bytes
    body: bytes
    content_type: str


_FILE = 'Content-Disposition: form-data; name="chart"; filename="chart.tgz"'
_HEADS = (
    *(_FILE,) * 4,
    'content-disposition: FORM-DATA; filename=chart.tgz; name="chart"',
    "Content-Disposition: form-data; name*=utf-8''%63hart; filename=\"x\"",
    'Content-Disposition: form-data; name*0="ch"; name*1="art"; filename="x"',
    "Content-Disposition: form-data; name=\"chart\"; filename*=utf-8''caf%C3%A9-1.0.0.tgz",
    'Content-Disposition: form-data;\r\n\tname="chart";\r\n filename="folded.tgz"',
    f"X-Long: {'y' * 5000}\r\n{_FILE}",
    f"{_FILE}\r\nContent-Type: application/gzip",
    f"Content-Disposition: form-data; name=other; filename=o\r\n{_FILE}",
    'Content-Disposition: form-data; name="chart"; filename="C:\\dir\\chart-2.0.0.tgz"',
    'Content-Disposition: form-data; name="chart"; filename=""',
    'Content-Disposition: form-data; name="chart"; filename="a"; filename="b"',
)


@st.composite
def uploads(draw: st.DrawFn) -> OddUpload:
    archive = draw(archives())
    if draw(st.booleans()):
        kinds = (
            "",
            "application/gzip",
            "application/octet-stream",
            "Multipart/Form-Data; boundary=b",
            "text/plain",
        )
        return OddUpload(archive, archive, draw(st.sampled_from(kinds)))
    boundary = draw(st.sampled_from(("b", "----x--y", "a b:c", "-" * 60)))
    quoted = draw(st.integers(0, 7)) == 0
    parts = [_part(draw(st.sampled_from(_HEADS)), archive, quoted=quoted)]
    for extra in draw(st.lists(st.sampled_from(_PARTS), max_size=2)):
        parts.insert(draw(st.integers(0, len(parts))), extra)
    blank = draw(st.sampled_from(("", "", "", " ", "\t ")))
    body = draw(st.sampled_from((b"", b"", b"preamble\r\n", b"\r\n")))
    for part in parts:
        body += f"--{boundary}{blank}\r\n".encode() + part + b"\r\n"
    body += f"--{boundary}--{blank}\r\n".encode() + draw(st.sampled_from((b"", b"epilogue")))
    if draw(st.integers(0, 9)) == 0 and b"\r\n" not in archive:
        body = body.replace(b"\r\n", b"\n")
    separator = draw(st.sampled_from(("; ", ";", " ; ")))
    return OddUpload(archive, body, f'multipart/form-data{separator}boundary="{boundary}"')


def _part(head: str, content: bytes, *, quoted: bool = False) -> bytes:
    if quoted:
        content = binascii.b2a_qp(content, quotetabs=True, istext=False)
        head = f"Content-Transfer-Encoding: quoted-printable\r\n{head}"
    return head.encode() + b"\r\n\r\n" + content


_PARTS = (
    _part('Content-Disposition: form-data; name="chart"', b"no file"),
    _part('Content-Disposition: form-data; name="force"', b""),
    _part('Content-Disposition: form-data; name="other"; filename="o.tgz"', b"not a chart"),
    _part("X: y", b"\r\n--"),
    _part('Content-Disposition: attachment; name="chart"; filename="x"', b"x"),
)
