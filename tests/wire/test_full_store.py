"""What a real registry answers when the S3 store behind it takes no more: golden/refusals/s3-minio.json.

The store is the double, the registries and their driver are real: 2.8 says nothing of the cause but where
a blob is so large that it is written to the store before the answer.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.support.images import digest_of
from tests.support.process import ROOT, NotInstalledError
from tests.support.s3_double import (
    ACCESS_DENIED,
    CEPH_QUOTA,
    GARAGE_QUOTA,
    MINIO_FULL,
    MINIO_QUOTA,
    SCALEWAY_QUOTA,
    SLOW_DOWN,
    TOO_LARGE,
    Refusal,
    S3Double,
)
from tests.support.servers import Registry, Version

GOLDEN = ROOT / "tests" / "golden" / "refusals" / "s3-minio.json"
SERVERS: dict[Version, str] = {"3": "distribution v3.1.1, s3", "2.8": "distribution 2.8.2, s3"}
CAUSES = {
    "MinIO is full": MINIO_FULL,
    "MinIO, quota of the bucket": MINIO_QUOTA,
    "Ceph, quota of the bucket or user": CEPH_QUOTA,
    "Garage, quota of the bucket": GARAGE_QUOTA,
    "Scaleway, quota of the account": SCALEWAY_QUOTA,
    "S3, access denied": ACCESS_DENIED,
    "S3, object too large": TOO_LARGE,
    "S3, slow down": SLOW_DOWN,
}
#: From here on the driver writes to the store while it reads; a little more, read to its end all the same.
LARGE: dict[Version, int] = {"3": (10 << 20) + 4096, "2.8": (20 << 20) + 4096}
SMALL = b"a small layer"
CONFIG = b"{}"
IMAGE = "application/vnd.oci.image.manifest.v1+json"

Entry = dict[str, Any]


class Pusher:
    """Pushes step by step; the store refuses during the step that is asked for, and takes all before it."""

    def __init__(self, store: S3Double, registry: Registry, client: httpx.Client) -> None:
        self._store, self._registry, self._client = store, registry, client
        self._pushed = 0

    def start(self, refusal: Refusal | None = None) -> httpx.Response:
        return self._send("POST", f"{self._registry.url}/v2/prj/app/blobs/uploads/", b"", refusal)

    def patch(self, content: bytes, refusal: Refusal | None = None) -> httpx.Response:
        return self._send("PATCH", self.start().headers["Location"], content, refusal)

    def put_at_once(self, content: bytes, refusal: Refusal | None = None) -> httpx.Response:
        return self._put(self.start(), content, content, refusal)

    def put(self, content: bytes, refusal: Refusal | None = None) -> httpx.Response:
        """The PUT that ends an upload whose PATCH was stored."""
        return self._put(self.patch(content), content, b"", refusal)

    def put_after_lost_patch(self, content: bytes, refusal: Refusal) -> httpx.Response:
        """The store refuses from the PATCH on; the PATCH is answered 202, for it is not yet written."""
        return self._put(self.patch(content, refusal), content, b"", refusal)

    def put_manifest(self, refusal: Refusal | None = None) -> httpx.Response:
        """A new manifest each time; one that is stored is not written again."""
        self._pushed += 1
        manifest = {
            "schemaVersion": 2,
            "mediaType": IMAGE,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": digest_of(CONFIG),
                "size": len(CONFIG),
            },
            "layers": [],
            "annotations": {"number": str(self._pushed)},
        }
        url = f"{self._registry.url}/v2/prj/app/manifests/v{self._pushed}"
        return self._send("PUT", url, json.dumps(manifest).encode(), refusal)

    def get(self, digest: str, refusal: Refusal | None = None) -> httpx.Response:
        """From the store itself, where the registry sends its clients."""
        return self._send("GET", f"{self._registry.url}/v2/prj/app/blobs/{digest}", b"", refusal)

    def _put(
        self, before: httpx.Response, content: bytes, body: bytes, refusal: Refusal | None
    ) -> httpx.Response:
        url = httpx.URL(before.headers["Location"]).copy_add_param("digest", digest_of(content))
        return self._send("PUT", str(url), body, refusal)

    def _send(self, method: str, url: str, body: bytes, refusal: Refusal | None) -> httpx.Response:
        self._store.refusal = refusal
        try:
            kind = IMAGE if "/manifests/" in url else "application/octet-stream"
            headers = {"Content-Type": kind}
            return self._client.request(method, url, content=body, headers=headers, follow_redirects=True)
        finally:
            self._store.refusal = None


#: (operation, circumstance) to what is done.
Step = Callable[[Pusher, bytes, Refusal], httpx.Response]
STEPS: dict[tuple[str, str], Step] = {
    ("upload-start", ""): lambda pusher, _, refusal: pusher.start(refusal),
    ("upload-patch", "a large blob"): lambda pusher, large, refusal: pusher.patch(large, refusal),
    ("upload-put", "a large blob at once"): lambda pusher, large, refusal: pusher.put_at_once(large, refusal),
    ("upload-put", "a small blob at once"): lambda pusher, _, refusal: pusher.put_at_once(SMALL, refusal),
    ("upload-put", "after a PATCH that was stored"): lambda pusher, _, refusal: pusher.put(SMALL, refusal),
    ("upload-put", "after a PATCH that was lost"): lambda pusher, _, refusal: pusher.put_after_lost_patch(
        SMALL, refusal
    ),
    ("manifest-put", ""): lambda pusher, _, refusal: pusher.put_manifest(refusal),
}


def entry_of(version: Version, cause: str, step: tuple[str, str], answer: httpx.Response) -> Entry:
    """The answer as golden/refusals has it, but for `is_quota`, which is judged and not recorded."""
    operation, circumstance = step
    headers = {name.decode(): value.decode() for name, value in answer.headers.raw if name != b"Date"}
    return {
        "server": SERVERS[version],
        "when": f"{cause}; {circumstance}" if circumstance else cause,
        "operation": operation,
        "status": answer.status_code,
        "headers": headers,
        "body": answer.text,
    }


@pytest.fixture(scope="module", params=["3", "2.8"])
def version(request: pytest.FixtureRequest) -> Version:
    chosen: Version = request.param
    return chosen


@pytest.fixture(scope="module")
def store() -> Iterator[S3Double]:
    with S3Double() as double:
        yield double


@pytest.fixture(scope="module")
def pusher(version: Version, store: S3Double, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pusher]:
    settings = {"storage": store.registry_storage}
    try:
        registry = Registry(tmp_path_factory.mktemp("registry"), version=version, settings=settings)
    except NotInstalledError as missing:
        pytest.skip(str(missing))
    with registry, httpx.Client(trust_env=False, timeout=60) as client:
        pusher = Pusher(store, registry, client)
        assert pusher.put(CONFIG).status_code == 201
        yield pusher


@pytest.mark.parametrize("size", [0, 1000, (21 << 20) + 1])
def test_what_is_pushed_to_the_double_can_be_pulled(pusher: Pusher, size: int) -> None:
    content = bytes(size)
    assert pusher.put(content).status_code == 201
    assert pusher.put_manifest().status_code == 201
    assert pusher.get(digest_of(content)).content == content


def test_full_store_still_gives_what_it_has(pusher: Pusher) -> None:
    assert pusher.start(MINIO_FULL).status_code == 500
    assert pusher.get(digest_of(CONFIG), MINIO_FULL).content == CONFIG


def recorded(version: Version, cause: str) -> list[Entry]:
    entries: list[Entry] = json.loads(GOLDEN.read_text())
    return [entry for entry in entries if entry["server"] == SERVERS[version] and cause in entry["when"]]


@pytest.mark.parametrize(
    "cause",
    [
        pytest.param(cause, marks=pytest.mark.slow if refusal is SLOW_DOWN else ())
        for cause, refusal in CAUSES.items()
    ],
)
def test_registry_still_answers_as_recorded(pusher: Pusher, version: Version, cause: str) -> None:
    golden = recorded(version, cause)
    assert golden
    for entry in golden:
        circumstance = entry["when"].removeprefix(cause).removeprefix("; ")
        step = entry["operation"], circumstance
        answer = STEPS[step](pusher, bytes(LARGE[version]), CAUSES[cause])
        assert entry_of(version, cause, step, answer) | {"is_quota": entry["is_quota"]} == entry
