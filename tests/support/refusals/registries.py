"""distribution v3 and 2.8: on a full file system, without inodes, and where they refuse for other reasons."""

import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.support.images import build_artifact, encode, upload
from tests.support.process import find_program
from tests.support.refusals.asking import Write, ask
from tests.support.refusals.refusal import Record, RefusingServer
from tests.support.refusals.writes import BLOB, IMAGE, OCI, Asked, same_blobs
from tests.support.servers import Credentials, Registry, Version
from tests.support.small_file_system import MIB, SmallFileSystem

ALICE, BOB = Credentials("alice", "right"), Credentials("alice", "wrong")


def server_name(version: Version) -> str:
    """With the version that it says itself: "distribution v3.1.1"."""
    program = find_program("registry" if version == "3" else "docker-registry")
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return "distribution v" + said.stdout.split()[-1].removeprefix("v").partition("+")[0]


STATES: tuple[tuple[str, Callable[[SmallFileSystem], None], bool], ...] = (
    ("the file system is full", SmallFileSystem.fill, True),
    ("the file system has 1 MiB left", lambda small: small.fill(leaving=MIB), True),
    ("the file system has no inode left", SmallFileSystem.take_inodes, True),
    ("the file system is read-only", SmallFileSystem.make_read_only, False),
)


def on_a_file_system(folder: Path, version: Version) -> Iterator[Record]:
    for state, spoil, is_quota in STATES:
        with (
            SmallFileSystem(folder / "small", size=12 * MIB, inodes=512) as small,
            Registry(folder / "registry", version=version, root=small.root) as registry,
        ):
            server_state = RefusingServer(
                server=server_name(version), state=state, is_quota=is_quota, root=small.root
            )
            push_image(registry)
            asked = Asked(registry.url)
            spoil(small)
            yield from server_state.refused(asked.answers(thoroughly=is_quota))


def push_image(registry: Registry, auth: tuple[str, str] | None = None) -> None:
    upload(IMAGE, registry_url=registry.url, repository="prj/app", tag="v1", auth=auth)


def refused_for_other_reasons(folder: Path, version: Version) -> Iterator[Record]:
    server = server_name(version)
    with read_only(folder, version) as asked:
        server_state = RefusingServer(server=server, state="read-only by maintenance")
        yield from server_state.refused(asked.answers())
    with Registry(folder / "guarded", version=version, users=[ALICE]) as registry:
        push_image(registry, ALICE.pair)
        asked = Asked(registry.url, auth=ALICE.pair)
        for state, headers in (("no credentials", {}), ("a wrong password", basic(BOB))):
            yield from RefusingServer(server=server, state=state).refused(asked.answers(headers))
    yield from faults(folder / "open", version)


@contextmanager
def read_only(folder: Path, version: Version) -> Iterator[Asked]:
    """A registry in maintenance, on the data of another where uploads were begun."""
    root = folder / "data"
    storage: dict[str, Any] = {
        "filesystem": {"rootdirectory": str(root)},
        "maintenance": {"readonly": {"enabled": True}},
    }
    with (
        Registry(folder / "writable", version=version, root=root) as writable,
        Registry(folder / "readonly", version=version, settings={"storage": storage}) as registry,
    ):
        push_image(writable)
        yield Asked(registry.url, prepared_at=writable.url)


def basic(user: Credentials) -> Mapping[str, str]:
    request = next(httpx.BasicAuth(*user.pair).auth_flow(httpx.Request("GET", "http://h")))
    return {"Authorization": request.headers["Authorization"]}


def faults(folder: Path, version: Version) -> Iterator[Record]:
    """Manifests that no registry takes, and blobs that are not what was said."""
    with Registry(folder, version=version) as registry:
        push_image(registry)
        session = httpx.post(f"{registry.url}/v2/prj/app/blobs/uploads/", trust_env=False).headers["Location"]
        path = httpx.URL(session).raw_path.decode()
        for write in faulty_writes(path):
            server_state = RefusingServer(server=server_name(version), state="")
            yield from server_state.refused([(write, ask(registry.url, write))])


def faulty_writes(session: str) -> Iterator[Write]:
    large = same_blobs("c" * 5 * MIB).manifest
    missing = build_artifact(encode({}), [("application/x", b"nowhere")]).manifest
    for variant, sending, body in (
        ("a manifest of 5 MiB, its length told", "length", large),
        ("a manifest of 5 MiB, chunked", "chunked", large),
        ("the blobs of a manifest are missing", "length", missing),
        ("what is no manifest", "length", b"{"),
    ):
        yield Write(
            variant=variant,
            operation="manifest-put",
            method="PUT",
            path="/v2/prj/app/manifests/v2",
            body=body,
            headers=OCI,
            sending=sending,  # type: ignore[arg-type]
        )
    patch, put = "upload-patch", "upload-put"
    lost = "/v2/prj/app/blobs/uploads/lost"
    yield Write(variant="an upload that was not begun", operation=patch, method="PATCH", path=lost, body=BLOB)
    other = f"{session}&digest={IMAGE.digest}"
    yield Write(variant="a blob of another digest", operation=put, method="PUT", path=other, body=BLOB)
