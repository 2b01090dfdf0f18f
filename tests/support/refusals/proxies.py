"""nginx before a registry and before ChartMuseum: bodies it lets through to nobody."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.support.images import build_chart
from tests.support.nginx import Nginx
from tests.support.process import find_program
from tests.support.refusals.asking import Write, ask
from tests.support.refusals.charts import CHARTS, every_sending, form, raw
from tests.support.refusals.refusal import Record, RefusingServer
from tests.support.refusals.registries import push_image
from tests.support.refusals.writes import Asked, same_blobs
from tests.support.servers import ChartMuseum, Registry
from tests.support.small_file_system import MIB, SmallFileSystem


def server_name() -> str:
    """As it calls itself: "nginx/1.22.1"."""
    said = subprocess.run([find_program("nginx"), "-v"], capture_output=True, text=True, check=True).stderr
    found = re.search(r"nginx/\S+", said)
    assert found
    return found[0]


def before_a_registry(folder: Path) -> Iterator[Record]:
    for buffering in (True, False):
        words = "with" if buffering else "without"
        state = f"client_max_body_size 64k {words} proxy_request_buffering"
        with (
            Registry(folder / "registry") as registry,
            Nginx(
                folder / "nginx", upstream=registry.url, max_body="64k", request_buffering=buffering
            ) as nginx,
        ):
            push_image(registry)
            server_state = RefusingServer(server=server_name(), state=state, is_quota=True)
            asked = Asked(nginx.url, prepared_at=registry.url).answers(thoroughly=True)
            yield from server_state.refused(one for one in asked if buffering or not is_raced(one[0]))
            # A limit on manifests is no lack of storage.
            small = replace(server_state, is_quota=False)
            yield from small.refused((write, ask(nginx.url, write)) for write in large_manifests())


def is_raced(write: Write) -> bool:
    """Whether the registry may answer before nginx has seen how large it is: it takes no blob by POST."""
    return write.operation == "upload-start" and write.sending == "chunked"


def large_manifests() -> list[Write]:
    body = same_blobs("c" * MIB).manifest
    write = raw("PUT of a manifest of 1 MiB", "/v2/prj/app/manifests/large", body)
    return every_sending([replace(write, operation="manifest-put", method="PUT")])


def before_chartmuseum(folder: Path) -> Iterator[Record]:
    content = build_chart(size=128 * 1024).content
    written = [raw("raw chart", CHARTS, content), form("form with a chart", CHARTS, chart=content)]
    with (
        ChartMuseum(folder / "charts") as museum,
        Nginx(folder / "nginx", upstream=museum.url, max_body="64k") as nginx,
    ):
        server_state = RefusingServer(server=server_name(), state="client_max_body_size 64k", is_quota=True)
        yield from server_state.refused((write, ask(nginx.url, write)) for write in every_sending(written))


def on_a_full_file_system(folder: Path) -> Iterator[Record]:
    """nginx keeps large bodies in files until it has them whole; of a lack of storage it says nothing."""
    with (
        Registry(folder / "registry") as registry,
        SmallFileSystem(folder / "small", size=MIB) as small,
        Nginx(small.root, upstream=registry.url, max_body="0") as nginx,
    ):
        push_image(registry)
        small.fill()
        server_state = RefusingServer(server=server_name(), state="its own file system is full")
        yield from server_state.refused(Asked(nginx.url, prepared_at=registry.url).answers())
