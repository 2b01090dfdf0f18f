"""What is looked up in real registries before a write is forwarded, and that it never gets in the way."""

import asyncio
import json
from collections.abc import Iterator

import httpx
import pytest

from sidecar.model.exchange import Facts, Outcome
from sidecar.model.manifest import parse_manifest
from sidecar.model.operation import DeleteManifest, GetManifest, PutManifest
from tests.support import images
from tests.support.process import NotInstalledError
from tests.support.raw_upstream import RawConnection, RawUpstream
from tests.support.servers import Credentials, Registry, Version
from tests.wire.conftest import Noted, StartProxy

ALICE = Credentials("alice", "pa:ss")


@pytest.fixture(scope="module", params=["3", "2.8"])
def registry(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    version: Version = request.param
    try:
        server = Registry(tmp_path_factory.mktemp("registry"), version=version, users=[ALICE])
    except NotInstalledError as missing:
        pytest.skip(str(missing))
    with server:
        yield server


def client_of(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, auth=ALICE.pair, trust_env=False)


async def push(url: str, artifact: images.Artifact, *, repository: str, tag: str) -> str:
    return await asyncio.to_thread(
        images.upload, artifact, registry_url=url, repository=repository, tag=tag, auth=ALICE.pair
    )


async def test_delete_by_digest_finds_its_tags_and_sizes(
    start_proxy: StartProxy, noted: Noted, registry: Registry
) -> None:
    repository = "prj/by-digest"
    multi = images.build_multi_platform("by-digest")
    other = images.build_image("by-digest other")
    for tag in ("v1", "v1.2", "latest"):
        await push(registry.url, multi, repository=repository, tag=tag)
    await push(registry.url, other, repository=repository, tag="other")
    proxy = await start_proxy(registry.url)
    async with client_of(proxy.url) as client:
        answer = await client.delete(f"/v2/{repository}/manifests/{multi.digest}")
    assert answer.status_code == 202
    (exchange,) = noted.exchanges
    facts = exchange.facts
    assert isinstance(exchange.operation, DeleteManifest)
    assert (exchange.client.operator, facts.existed, facts.digest) == ("alice", True, multi.digest)
    assert sorted(facts.tags) == ["latest", "v1", "v1.2"]
    assert facts.manifest is not None
    assert facts.manifest == parse_manifest(multi.manifest, multi.media_type)
    assert facts.children == {
        child.digest: parse_manifest(child.manifest, child.media_type) for child in multi.children
    }


async def test_delete_of_what_is_not_there(start_proxy: StartProxy, noted: Noted, registry: Registry) -> None:
    proxy = await start_proxy(registry.url)
    async with client_of(proxy.url) as client:
        answer = await client.delete(f"/v2/prj/nothing/manifests/sha256:{'0' * 64}")
    assert answer.status_code == 404
    assert noted.exchanges[0].facts.existed is False


async def test_delete_by_tag_finds_its_digest(
    start_proxy: StartProxy, noted: Noted, registry: Registry
) -> None:
    image = images.build_image("by-tag")
    await push(registry.url, image, repository="prj/by-tag", tag="v1")
    proxy = await start_proxy(registry.url)
    async with client_of(proxy.url) as client:
        answer = await client.delete("/v2/prj/by-tag/manifests/v1")
    assert answer.status_code in {202, 400}  # 2.8 cannot delete by tag
    facts = noted.exchanges[0].facts
    assert (facts.existed, facts.digest, facts.tags) == (True, image.digest, ("v1",))


async def test_without_credentials_nothing_is_found_and_the_refusal_is_the_registrys(
    start_proxy: StartProxy, noted: Noted, registry: Registry
) -> None:
    proxy = await start_proxy(registry.url)
    async with httpx.AsyncClient(base_url=proxy.url, trust_env=False) as client:
        answer = await client.delete(f"/v2/prj/by-digest/manifests/sha256:{'0' * 64}")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
    facts = noted.exchanges[0].facts
    assert (facts.existed, facts.tags, noted.exchanges[0].client.operator) == (None, (), "")


async def test_platforms_that_an_index_does_not_name_are_found(
    start_proxy: StartProxy, noted: Noted, registry: Registry
) -> None:
    bare = [
        images.Artifact(manifest=image.manifest, blobs=image.blobs)
        for image in images.build_multi_platform("bare", platforms=("linux/amd64", "linux/arm/v7")).children
    ]
    nested = images.build_index(images.build_index(*bare), images.build_image("named"))
    proxy = await start_proxy(registry.url)
    await push(proxy.url, nested, repository="prj/bare", tag="v1")
    exchange = noted.exchanges[-1]
    assert isinstance(exchange.operation, PutManifest)
    assert exchange.content_digest == nested.digest
    assert dict(exchange.facts.platforms) == {
        bare[0].digest: "linux/amd64",
        bare[1].digest: "linux/arm/v7",
    }
    assert list(exchange.facts.children) == [nested.children[0].digest]
    assert noted.intents[-1].facts == Facts()


@pytest.mark.parametrize("wanted", [False, True])
async def test_chart_kept_as_an_oci_artifact_is_read_where_it_is_wanted(
    start_proxy: StartProxy, noted: Noted, registry: Registry, *, wanted: bool
) -> None:
    noted.wants_chart = wanted
    chart = images.build_chart("mychart", "1.2.3+b", chart_type="library")
    proxy = await start_proxy(registry.url)
    repository = f"prj/charts-{wanted}".lower()
    digest = await push(proxy.url, images.build_chart_artifact(chart), repository=repository, tag="1.2.3_b")
    async with client_of(proxy.url) as client:
        accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
        await client.get(f"/v2/{repository}/manifests/1.2.3_b", headers=accept)
        await noted.recorded(2)
        await client.delete(f"/v2/{repository}/manifests/{digest}")
    kinds = [type(exchange.operation) for exchange in noted.exchanges]
    assert kinds == [PutManifest, GetManifest, DeleteManifest]
    for exchange in noted.exchanges:
        found = exchange.facts.chart
        if not wanted:
            assert found is None
            continue
        assert found is not None
        assert (found.name, found.version, found.type) == ("mychart", "1.2.3+b", "library")
        assert (found.size_bytes, found.path) == (len(chart.content), "")


DIGEST = "sha256:" + "d" * 64


async def test_slow_look_ups_delay_a_delete_for_a_bounded_time(start_proxy: StartProxy, noted: Noted) -> None:
    manifest = b"{}"

    async def script(connection: RawConnection) -> None:
        while True:
            head = await connection.read_head()
            if head.startswith(b"DELETE"):
                await connection.send(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
            elif b"tags/list" in head:
                await asyncio.sleep(10)
            else:
                await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + manifest)

    async with RawUpstream(script) as upstream:
        proxy = await start_proxy(upstream.url, look_up_timeout_s=0.3)
        async with asyncio.timeout(2), httpx.AsyncClient(base_url=proxy.url, trust_env=False) as client:
            answer = await client.delete(f"/v2/prj/app/manifests/{DIGEST}")
    assert answer.status_code == 202
    facts = noted.exchanges[0].facts
    assert (facts.existed, facts.digest, facts.tags) == (True, DIGEST, ())
    assert facts.manifest is not None


async def test_tags_are_read_page_by_page_and_not_more_than_allowed(
    start_proxy: StartProxy, noted: Noted
) -> None:
    at_once = most_at_once = 0

    async def script(connection: RawConnection) -> None:
        nonlocal at_once, most_at_once
        while True:
            head = (await connection.read_head()).decode()
            target = head.split()[1]
            if head.startswith("HEAD"):
                at_once += 1
                most_at_once = max(at_once, most_at_once)
                await asyncio.sleep(0.01)
                at_once -= 1
                digest = DIGEST if target.endswith("7") else "sha256:" + "e" * 64
                await connection.send(
                    f"HTTP/1.1 200 OK\r\nDocker-Content-Digest: {digest}\r\nContent-Length: 9\r\n\r\n".encode()
                )
            elif "tags/list" in target:
                first = int(target.partition("last=")[2] or "0")
                body = json.dumps({"tags": [f"t{number}" for number in range(first, first + 10)]}).encode()
                link = f'Link: </v2/prj/app/tags/list?n=25&last={first + 10}>; rel="next"\r\n'
                await connection.send(
                    f"HTTP/1.1 200 OK\r\n{link}Content-Length: {len(body)}\r\n\r\n".encode() + body
                )
            elif head.startswith("DELETE"):
                await connection.send(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
            else:
                await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    async with RawUpstream(script) as upstream:
        proxy = await start_proxy(upstream.url, most_tags_looked_up=25)
        async with httpx.AsyncClient(base_url=proxy.url, trust_env=False) as client:
            await client.delete(f"/v2/prj/app/manifests/{DIGEST}")
        heads = [head for head in upstream.heads if head.startswith("HEAD")]
        pages = [head for head in upstream.heads if "tags/list" in head]
    assert noted.exchanges[0].facts.tags == ("t7", "t17")
    assert (len(heads), len(pages)) == (25, 3)
    assert 1 < most_at_once <= 8


async def test_look_ups_ask_with_the_clients_own_rights_and_only_those(
    start_proxy: StartProxy, noted: Noted
) -> None:
    noted.wants_chart = True
    config = {"mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": DIGEST, "size": 40}
    manifest = json.dumps({"config": config, "layers": []}).encode()
    chart_yaml = json.dumps({"name": "c", "version": "1"}).encode()

    async def keep_elsewhere(connection: RawConnection) -> None:
        await connection.read_head()
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(chart_yaml) + chart_yaml)

    async def script(connection: RawConnection) -> None:
        while True:
            head = await connection.read_head()
            if b"/blobs/" in head:
                location = f"{storage.url}/b?X-Amz-Signature=%2F%3d"
                await connection.send(
                    f"HTTP/1.1 307 X\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
                )
            else:
                await connection.read(len(manifest))
                await connection.send(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")

    async with RawUpstream(keep_elsewhere) as storage, RawUpstream(script) as upstream:
        proxy = await start_proxy(upstream.url)
        async with httpx.AsyncClient(base_url=proxy.url, trust_env=False) as client:
            headers = {"Authorization": "Bearer t0ken", "Cookie": "c=1", "Host": "registry.example.com"}
            await client.put("/v2/prj/app/manifests/v1", content=manifest, headers=headers)
        put, question = upstream.connections
        assert put.received.endswith(manifest)
        asked = question.received
        assert asked.startswith(
            f"GET /v2/prj/app/blobs/{DIGEST} HTTP/1.1\r\nHost: registry.example.com".encode()
        )
        assert b"\r\nAuthorization: Bearer t0ken\r\n" in asked
        assert b"ookie" not in asked
        assert storage.received.startswith(
            b"GET /b?X-Amz-Signature=%2F%3d HTTP/1.1\r\nHost: " + storage.host.encode()
        )
        assert b"t0ken" not in storage.received
    chart = noted.exchanges[0].facts.chart
    assert chart is not None
    assert (chart.name, chart.version, chart.size_bytes) == ("c", "1", None)
    assert noted.exchanges[0].outcome is Outcome.COMPLETED
