"""ChartMuseum: on a full file system, at its limits, and where it refuses for other reasons."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

from tests.support.images import build_chart
from tests.support.process import ROOT
from tests.support.refusals.asking import Answer, Write, ask
from tests.support.refusals.refusal import Record, RefusingServer
from tests.support.refusals.registries import ALICE, BOB, basic
from tests.support.refusals.writes import SENDINGS
from tests.support.servers import ChartMuseum
from tests.support.small_file_system import MIB, SmallFileSystem

FIRST = build_chart(version="1.0.0")
CHARTS, PROVENANCE = "/api/prj/charts", "/api/prj/prov"
BOUNDARY = "6a1f0c"


def server_name() -> str:
    """The version that scripts/tools.sh builds, which does not know it itself."""
    pinned = (ROOT / "scripts" / "go" / "chartmuseum" / "go.mod").read_text()
    found = re.search(r"require helm.sh/chartmuseum (\S+)", pinned)
    assert found
    return f"chartmuseum {found[1]}"


def raw(words: str, path: str, body: bytes) -> Write:
    return Write(variant=words, operation="chart", method="POST", path=path, body=body)


def form(words: str, path: str, **fields: bytes) -> Write:
    head = '--{}\r\nContent-Disposition: form-data; name="{}"; filename="{}"\r\n\r\n'
    parts = [head.format(BOUNDARY, name, name).encode() + content for name, content in fields.items()]
    body = b"\r\n".join([*parts, f"--{BOUNDARY}--\r\n".encode()])
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    return replace(raw(words, path, body), headers=headers)


def uploads() -> list[Write]:
    """Every way to upload a chart or its provenance, each of another version."""
    charts = [build_chart(version=f"2.0.{number}") for number in range(7)]
    return [
        raw("raw chart", CHARTS, charts[0].content),
        form("form with a chart", CHARTS, chart=charts[1].content),
        raw("raw .prov", PROVENANCE, charts[2].provenance),
        form("form with a .prov", CHARTS, prov=charts[3].provenance),
        form("form with both", CHARTS, chart=charts[4].content, prov=charts[4].provenance),
        raw("raw chart, forced", f"{CHARTS}?force", charts[5].content),
        form("form with a chart, forced", f"{CHARTS}?force", chart=charts[6].content),
    ]


def push_first(museum: ChartMuseum) -> None:
    write = replace(raw("", CHARTS, FIRST.content), headers=basic(ALICE))
    assert ask(museum.url, write).status == HTTPStatus.CREATED


def every_sending(written: list[Write]) -> list[Write]:
    return [
        replace(write, variant=f"{write.variant}, {words}", sending=sending)
        for write in written
        for sending, words in SENDINGS.items()
    ]


def answers(
    url: str, written: list[Write], headers: Mapping[str, str] | None = None
) -> Iterator[tuple[Write, Answer]]:
    for write in written:
        asked = replace(write, headers={**write.headers, **(headers or {})})
        yield write, ask(url, asked)


SPOILS: tuple[tuple[str, Callable[[SmallFileSystem], None]], ...] = (
    ("the file system is full", SmallFileSystem.fill),
    ("the file system has no inode left", SmallFileSystem.take_inodes),
)


def on_a_file_system(folder: Path) -> Iterator[Record]:
    for state, spoil in SPOILS:
        with (
            SmallFileSystem(folder / "small", size=2 * MIB, inodes=64) as small,
            ChartMuseum(folder / "charts", user=ALICE, root=small.root) as museum,
        ):
            push_first(museum)
            spoil(small)
            full = RefusingServer(server=server_name(), state=state, is_quota=True, root=small.root)
            yield from full.refused(answers(museum.url, uploads(), basic(ALICE)))
            again = replace(full, state=f"after {state}: again", is_quota=False)
            small.make_room()
            yield from again.refused(answers(museum.url, uploads()[:2], basic(ALICE)))
            small.fill()
            yield from strangers(museum, f"{state}, and no credentials")


def strangers(museum: ChartMuseum, state: str) -> Iterator[Record]:
    yield from RefusingServer(server=server_name(), state=state).refused(answers(museum.url, uploads()[:4]))


def at_its_limits(folder: Path) -> Iterator[Record]:
    with ChartMuseum(folder / "objects", user=ALICE, max_storage_objects=1) as museum:
        push_first(museum)
        server_state = RefusingServer(
            server=server_name(), state="--max-storage-objects is reached", is_quota=True
        )
        yield from server_state.refused(answers(museum.url, uploads(), basic(ALICE)))
        yield from strangers(museum, "--max-storage-objects is reached, and no credentials")
    with ChartMuseum(folder / "size", user=ALICE, max_upload_size=64) as museum:
        server_state = RefusingServer(
            server=server_name(), state="larger than --max-upload-size", is_quota=True
        )
        yield from server_state.refused(answers(museum.url, every_sending(uploads()[:5]), basic(ALICE)))
        yield from strangers(museum, "larger than --max-upload-size, and no credentials")


def refused_for_other_reasons(folder: Path) -> Iterator[Record]:
    there = [
        raw("a chart that is there, raw", CHARTS, FIRST.content),
        form("a chart that is there, in a form", CHARTS, chart=FIRST.content),
        raw("no chart, raw", CHARTS, b"no chart"),
        form("no chart, in a form", CHARTS, chart=b"no chart"),
        form("a form without a chart", CHARTS, other=b""),
        raw("no .prov", PROVENANCE, b"no provenance"),
    ]
    with ChartMuseum(folder, user=ALICE) as museum:
        push_first(museum)
        server_state = RefusingServer(server=server_name(), state="")
        yield from server_state.refused(answers(museum.url, there, basic(ALICE)))
        wrong = replace(server_state, state="a wrong password")
        yield from wrong.refused(answers(museum.url, uploads()[:3], basic(BOB)))
