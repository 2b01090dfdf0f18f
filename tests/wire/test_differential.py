"""The same bytes, sent to a registry and through the sidecar, get the same answer.

What differs on purpose stands in docs/compatibility.md, one row each; nothing else is excused here.
"""

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.support import images
from tests.support.process import NotInstalledError
from tests.support.raw_upstream import connect
from tests.support.servers import Registry
from tests.wire.conftest import Noted, running_proxy

DOCUMENT = Path(__file__).parents[2] / "docs" / "compatibility.md"
IMAGE = images.build_multi_platform("differential")
BLOB = next(iter(IMAGE.children[0].blobs))
#: What differs between two equal requests, or is about one connection.
CHANGING = re.compile(
    rb"\r\n(?:Date|Docker-Upload-Uuid|Connection): [^\r]*|uploads/[0-9a-f-]{36}|_state=[^\r&]+", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Raw:
    """A request before it is bytes."""

    method: bytes
    target: bytes
    version: bytes
    headers: tuple[bytes, ...]
    framing: bytes
    body: bytes

    def __bytes__(self) -> bytes:
        lines = [self.method + b" " + self.target + b" " + self.version, *self.headers]
        lines += [self.framing] if self.framing else []
        return b"\r\n".join([*lines, b"Connection: close", b"", b""]) + self.body


def _has(pattern: bytes) -> Callable[[Raw], bool]:
    compiled = re.compile(pattern, re.IGNORECASE)
    return lambda raw: bool(compiled.search(bytes(raw)))


_FAULTS = [
    _has(pattern)
    for pattern in (
        rb"\A(?!(?:.*\r\n)*?host:)|\r\nHost: a\r\nHost: b|\r\nHost: a b",
        rb"\r\n(?:X-Blank :|X Y:|no colon|X-Control)",
        rb"\r\nTransfer-Encoding: gzip",
        rb"\r\nContent-Length: (?:\+3|-1|x|3\r\nContent-Length: 4)",
        rb"%zz",
        rb"\A(?!.* HTTP/1\.[01]\r\n)",
    )
]


#: By the first words of a row in the table: whose answers may differ, and with which statuses of ours.
EXCUSED: dict[str, tuple[Callable[[Raw], bool], set[int]]] = {
    "Both Content-Length and Transfer-Encoding": (
        _has(
            rb"\r\nContent-Length:[^\r]*\r\n(?:.*\r\n)*Transfer-Encoding:|\r\nTransfer-Encoding:[^\r]*\r\n(?:.*\r\n)*Content-Length:"
        ),
        {400},
    ),
    "Transfer-Encoding in HTTP/1.0": (_has(rb"HTTP/1\.0\r\n(?:.*\r\n)*Transfer-Encoding:"), {400}),
    "An absolute target": (lambda raw: b"://" in raw.target, {200, 400, 404, 301}),
    "An asterisk as the target": (lambda raw: raw.target == b"*", {200, 400}),
    "CONNECT": (lambda raw: raw.method == b"CONNECT", {405}),
    "Two faults in one request": (lambda raw: sum(fault(raw) for fault in _FAULTS) > 1, {400, 501, 505}),
    "HTTP/2.0": (lambda raw: not raw.version.startswith(b"HTTP/1."), {505, 400}),
}

METHODS = [
    b"GET",
    b"HEAD",
    b"PUT",
    b"POST",
    b"PATCH",
    b"DELETE",
    b"OPTIONS",
    b"TRACE",
    b"BREW",
    b"get",
    b"CONNECT",
]
NAMES = [
    b"prj/app",
    b"Prj/app",
    b"prj%2Fapp",
    b"prj//app",
    b"prj/App",
    b"prj/\xc3\xa9",
    b"prj/./app",
    b"absent/app",
]
TAILS = [
    b"/manifests/v1",
    b"/manifests/" + IMAGE.digest.encode(),
    b"/manifests/" + IMAGE.digest.replace(":", "%3a").encode(),
    b"/manifests/v1/",
    b"/manifests/missing?x=%zz&y",
    b"/blobs/" + BLOB.encode(),
    b"/blobs/uploads/",
    b"/blobs/uploads/none",
    b"/tags/list?n=1",
    b"/referrers/" + IMAGE.digest.encode(),
    b"/manifests/%zz",
    b"/manifests/v1#x",
]
WHOLE = [
    b"/v2",
    b"/v2/",
    b"/%762/",
    b"//v2/",
    b"/",
    b"/v2/_catalog?n=1",
    b"*",
    b"/v2/../x",
    b"/v2/\xff",
    b"/v2/?" + b"q" * 5000,
]
PREFIXES = [b"/v2/", b"/%762/", b"/v2%2F", b"//v2/", b"http://h/v2/"]
HEADERS = [
    b"Accept: " + images.INDEX.encode() + b", " + images.MANIFEST.encode(),
    b"Accept: */*",
    b"Range: bytes=2-5",
    b"Range: bytes=99999999-",
    b'If-None-Match: "' + IMAGE.digest.encode() + b'"',
    b"X-Remote-User: Jos\xe9",
    b"X-Empty:",
    b"X-Folded: a\r\n b",
    b"Authorization: Bearer " + b"x" * 40_000,
    b"Cookie: a=b\r\nCookie: c=d",
    b"X-No-Blank:x",
    b"X-Blank : x",
    b"X Y: z",
    b"no colon",
    b"X-Control: a\x01b",
    b"Content-Type: " + images.INDEX.encode(),
    b"Accept-Encoding: gzip",
    b"Origin: http://example.com",
    b"Expect: 100-continue",
]
FRAMINGS = [
    (b"", b""),
    (b"Content-Length: 0", b""),
    (b"Content-Length: 3", b"abc"),
    (b"Content-Length: 3\r\nContent-Length: 3", b"abc"),
    (b"Content-Length: 3\r\nContent-Length: 4", b"abcd"),
    (b"Content-Length: +3", b"abc"),
    (b"Content-Length: -1", b""),
    (b"Content-Length: x", b""),
    (b"Content-Length: %d" % len(IMAGE.manifest), IMAGE.manifest),
    (b"Transfer-Encoding: chunked", b"3\r\nabc\r\n0\r\n\r\n"),
    (b"Transfer-Encoding: chunked", b"%x\r\n%s\r\n0\r\n\r\n" % (len(IMAGE.manifest), IMAGE.manifest)),
    (b"Transfer-Encoding: gzip, chunked", b"0\r\n\r\n"),
    (b"Transfer-Encoding: chunked\r\nContent-Length: 3", b"3\r\nabc\r\n0\r\n\r\n"),
]

targets = st.sampled_from(WHOLE) | st.builds(
    lambda *parts: b"".join(parts), st.sampled_from(PREFIXES), st.sampled_from(NAMES), st.sampled_from(TAILS)
)
plain = st.builds(
    lambda *parts: b"".join(parts), st.just(b"/v2/"), st.sampled_from(NAMES[:3]), st.sampled_from(TAILS)
)


def _raw(*, hosts: list[bytes], more: list[bytes], framing: tuple[bytes, bytes], **line: bytes) -> Raw:
    return Raw(line["method"], line["target"], line["version"], (*hosts, *more), *framing)


VERSIONS = [b"HTTP/1.1"] * 6 + [b"HTTP/1.0", b"HTTP/2.0", b"HTTP/1.2", b"http/1.1"]
HOSTS = [[b"Host: registry.example.com"]] * 8 + [[], [b"Host: a", b"Host: b"], [b"Host: a b"], [b"host:"]]
requests = st.builds(
    _raw,
    method=st.sampled_from(METHODS[:6]) | st.sampled_from(METHODS),
    target=plain | targets,
    version=st.sampled_from(VERSIONS),
    hosts=st.sampled_from(HOSTS),
    more=st.lists(st.sampled_from(HEADERS), max_size=3, unique=True),
    framing=st.sampled_from(FRAMINGS[:3]) | st.sampled_from(FRAMINGS),
)


@pytest.fixture(scope="module", params=["3", "2.8"])
def registry(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    try:
        server = Registry(tmp_path_factory.mktemp("registry"), version=request.param)
    except NotInstalledError as missing:
        pytest.skip(str(missing))
    with server:
        yield server


async def ask(port: int, request: bytes) -> bytes:
    client = await connect(port)
    try:
        await client.send(request)
        async with asyncio.timeout(15):
            return await client.read_until_closed()
    finally:
        client.close()


def described(answer: bytes, method: bytes) -> tuple[bytes, list[bytes], bytes]:
    """Status line, headers in order and body, without what changes each time."""
    head, _, body = final(answer).partition(b"\r\n\r\n")
    status, _, headers = CHANGING.sub(b"", head + b"\r\n").partition(b"\r\n")
    if re.search(rb"\r\nTransfer-Encoding: chunked", head, re.IGNORECASE) and method != b"HEAD":
        body = unchunked(body)
    return status, sorted(filter(None, headers.split(b"\r\n"))), CHANGING.sub(b"", body)


def unchunked(body: bytes) -> bytes:
    whole = b""
    while (size := int(body.partition(b"\r\n")[0], 16)) > 0:
        whole += body.partition(b"\r\n")[2][:size]
        body = body.partition(b"\r\n")[2][size + 2 :]
    return whole


def final(answer: bytes) -> bytes:
    """An answer without the 100 before it."""
    while answer.startswith(b"HTTP/1.1 100 "):
        answer = answer.partition(b"\r\n\r\n")[2]
    return answer


def status_of(answer: bytes) -> int:
    answer = final(answer)
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/") else 0


def is_excused(raw: Raw, ours: bytes) -> bool:
    return any(applies(raw) and status_of(ours) in statuses for applies, statuses in EXCUSED.values())


def is_equal(raw: Raw, direct: bytes, through: bytes) -> bool:
    if status_of(direct) in {400, 431, 501, 505} and b"application/json" not in direct:
        # The registry's own server refused what is no request: we do, too, with our own words.
        return status_of(through) == status_of(direct)
    return described(direct, raw.method) == described(through, raw.method)


async def differences(registry: Registry, raws: list[Raw]) -> list[tuple[Raw, bytes, bytes]]:
    noted, found = Noted(), []
    images.upload(IMAGE, registry_url=registry.url, repository="prj/app", tag="v1")
    async with running_proxy(noted, registry.url) as proxy:
        for raw in raws:
            direct = await ask(registry.port, bytes(raw))
            if raw.method == b"DELETE" and status_of(direct) == 202:
                images.upload(IMAGE, registry_url=registry.url, repository="prj/app", tag="v1")
            through = await ask(proxy.port, bytes(raw))
            if not is_equal(raw, direct, through) and not is_excused(raw, through):
                found.append((raw, direct[:400], through[:400]))
            if raw.method == b"DELETE" and status_of(through) == 202:
                images.upload(IMAGE, registry_url=registry.url, repository="prj/app", tag="v1")
    return found


def generated(count: int) -> list[Raw]:
    raws: list[Raw] = []

    @settings(max_examples=count, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
    @given(requests)
    def collect(raw: Raw) -> None:
        raws.append(raw)

    collect()
    return list(dict.fromkeys(raws))


def test_the_sidecar_answers_what_the_registry_does(registry: Registry) -> None:
    raws = generated(1500)
    assert len(raws) > 1000
    found = asyncio.run(differences(registry, raws))
    assert not found, "\n".join(f"{bytes(raw)[:300]!r}\n  {one!r}\n  {other!r}" for raw, one, other in found)


def test_each_difference_that_is_excused_is_documented() -> None:
    rows = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| ")][1:]
    marked = [row.split("|")[1].strip() for row in rows if row.rstrip().endswith("| yes |")]
    assert sorted(row.replace("`", "") for row in marked) == sorted(EXCUSED)
