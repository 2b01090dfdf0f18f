"""Every kind of write that a registry knows."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import httpx

from tests.support.images import Artifact, build_image, build_layer, digest_of
from tests.support.refusals.asking import Answer, Sending, Write, ask
from tests.support.small_file_system import MIB

IMAGE = build_image("refused", layer_size=64 * 1024)
BLOB = build_layer("refused", 2 * MIB)
BEFORE = b"stored before"
OCI = {"Content-Type": IMAGE.media_type}
UPLOADS = "/v2/prj/app/blobs/uploads/"
SENDINGS: dict[Sending, str] = {
    "length": "its length told",
    "chunked": "chunked",
    "expect": "after Expect: 100-continue",
}
#: In a path: the Location of an upload that was begun while there was room, and of one that has its content.
SESSION, STORED = "SESSION", "STORED"


def same_blobs(comment: str) -> Artifact:
    """Another manifest over the blobs of IMAGE."""
    manifest = IMAGE.manifest[:-1] + b',"annotations":{"c":"%b"}}' % comment.encode()
    return Artifact(manifest=manifest, blobs=IMAGE.blobs)


def writes(*, thoroughly: bool) -> Iterator[Write]:
    """One of each operation; `thoroughly`, each way to ask for it."""
    yield Write(variant="POST", operation="upload-start", method="POST", path=UPLOADS)
    if thoroughly:
        yield from other_starts()
    patch = Write(variant="PATCH", operation="upload-patch", method="PATCH", path=SESSION, body=BLOB)
    yield from each_sending(patch, thoroughly=thoroughly)
    place = f"{SESSION}&digest={digest_of(BLOB)}"
    put = Write(variant="PUT of a whole blob", operation="upload-put", method="PUT", path=place, body=BLOB)
    yield from each_sending(put, thoroughly=thoroughly)
    if thoroughly:
        place = f"{STORED}&digest={digest_of(BEFORE)}"
        yield Write(variant="PUT that ends an upload", operation="upload-put", method="PUT", path=place)
    yield from list(manifest_writes())[: None if thoroughly else 1]


def other_starts() -> Iterator[Write]:
    at_once, start = f"{UPLOADS}?digest={digest_of(BLOB)}", "upload-start"
    whole = Write(variant="POST of a whole blob", operation=start, method="POST", path=at_once, body=BLOB)
    yield from each_sending(whole, thoroughly=True)
    layer = max(IMAGE.blobs, key=lambda digest: len(IMAGE.blobs[digest]))
    mount = f"/v2/prj/other/blobs/uploads/?mount={layer}&from=prj%2Fapp"
    yield Write(variant="POST that mounts a blob", operation=start, method="POST", path=mount)


def each_sending(write: Write, *, thoroughly: bool) -> Iterator[Write]:
    if not thoroughly:
        yield write
        return
    for sending, words in SENDINGS.items():
        yield replace(write, variant=f"{write.variant}, {words}", sending=sending)


def manifest_writes() -> Iterator[Write]:
    new = same_blobs("new")
    for variant, reference, content in (
        ("PUT of a manifest by tag", "new", new.manifest),
        ("PUT of a manifest by digest", new.digest, new.manifest),
        ("PUT of a known manifest by a new tag", "again", IMAGE.manifest),
    ):
        path = f"/v2/prj/app/manifests/{reference}"
        yield Write(
            variant=variant, operation="manifest-put", method="PUT", path=path, body=content, headers=OCI
        )


class Asked:
    """All writes to one server, whose uploads are begun beforehand: at `prepared_at` if it takes none."""

    def __init__(self, url: str, *, prepared_at: str = "", auth: tuple[str, str] | None = None) -> None:
        self._url = url
        with httpx.Client(base_url=prepared_at or url, trust_env=False, auth=auth) as client:
            self._sessions = [begin(client) for _ in range(16)]
            self._stored = begin(client, BEFORE)

    def answers(
        self, headers: Mapping[str, str] | None = None, *, thoroughly: bool = False
    ) -> Iterator[tuple[Write, Answer]]:
        for write, session in zip(writes(thoroughly=thoroughly), self._sessions, strict=False):
            path = write.path.replace(SESSION, session).replace(STORED, self._stored)
            asked = replace(write, path=path, headers={**write.headers, **(headers or {})})
            yield write, ask(self._url, asked)


def begin(client: httpx.Client, content: bytes = b"") -> str:
    place = client.post(UPLOADS).raise_for_status().headers["Location"]
    if content:
        place = client.patch(place, content=content).raise_for_status().headers["Location"]
    return httpx.URL(place).raw_path.decode()
