"""The parts that other tests stand on."""

import asyncio
import gc
import json
import socket
import ssl
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.support.images import (
    build_attested,
    build_chart,
    build_image,
    build_index,
    build_multi_platform,
    build_nested,
    digest_of,
    write_layout,
)
from tests.support.process import NotInstalledError, Process, answers, find_program, free_port
from tests.support.receiver import Answer, Receiver


def test_same_seed_makes_the_same_image() -> None:
    assert build_image("a") == build_image("a")
    assert build_image("a").digest != build_image("b").digest


def test_image_has_the_size_asked_for() -> None:
    image = build_image(layers=3, layer_size=100_000)
    assert 300_000 < image.size < 340_000


@pytest.mark.parametrize("build", [build_multi_platform, build_nested, build_attested])
def test_layout_holds_everything_an_index_names(tmp_path: Path, build: type) -> None:
    artifact = build("seed")
    write_layout(tmp_path, artifact, tag="v1")
    (entry,) = json.loads((tmp_path / "index.json").read_text())["manifests"]
    assert entry["digest"] == artifact.digest
    for part in artifact.walk():
        for digest in (part.digest, *part.blobs):
            assert digest_of((tmp_path / "blobs" / digest.replace(":", "/")).read_bytes()) == digest


def test_attestation_has_an_unknown_platform() -> None:
    _, attestation = json.loads(build_attested("seed").manifest)["manifests"]
    assert attestation["platform"] == {"os": "unknown", "architecture": "unknown"}


def test_index_walks_children_before_itself() -> None:
    image = build_image("child")
    index = build_index(image)
    assert [part.digest for part in index.walk()] == [image.digest, index.digest]


def test_provenance_names_the_chart_file() -> None:
    chart = build_chart("web", "1.2.3")
    assert f"web-1.2.3.tgz: {digest_of(chart.content)}".encode() in chart.provenance


def test_receiver_keeps_the_request_as_it_came() -> None:
    with Receiver() as receiver, socket.create_connection(("127.0.0.1", receiver.port)) as client:
        client.sendall(
            b"POST /a%2Fb?x=%41 HTTP/1.1\r\nHost: h\r\nx-Odd: 1\r\nX-odd: 2\r\nContent-Length: 2\r\n\r\n\xff{"
        )
        (received,) = receiver.wait_for(1)
    assert (received.method, received.path, received.body) == ("POST", "/a%2Fb?x=%41", b"\xff{")
    assert received.headers[1:3] == (("x-Odd", "1"), ("X-odd", "2"))


def test_receiver_answers_as_it_is_told() -> None:
    with Receiver(lambda _: Answer(status=429, headers={"Retry-After": "7"})) as receiver:
        answer = httpx.post(receiver.url, trust_env=False)
        receiver.respond = lambda _: Answer(raw=b"not http at all\r\n\r\n")
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.post(receiver.url, trust_env=False)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")


def test_receiver_speaks_tls(tmp_path: Path) -> None:
    with Receiver(tls_in=tmp_path) as receiver:
        assert receiver.certificate
        context = ssl.create_default_context(cafile=receiver.certificate.path)
        assert httpx.post(receiver.url, verify=context, trust_env=False).status_code == 200


def test_receiver_leaves_no_connection_of_its_own_open(tmp_path: Path) -> None:
    with Receiver(tls_in=tmp_path) as receiver:
        assert receiver.certificate
        context = ssl.create_default_context(cafile=receiver.certificate.path)
        connection = socket.create_connection(("127.0.0.1", receiver.port))
        client = context.wrap_socket(connection, server_hostname="127.0.0.1")
        client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        client.recv(1)
    client.close()
    del receiver
    gc.collect()  # warns of what was not closed, and warnings are errors here


def test_receiver_comes_back_on_its_port() -> None:
    with Receiver() as first:
        pass
    with Receiver(port=first.port) as second:
        assert answers(second.url, 200)


async def test_receiver_can_be_awaited() -> None:
    with Receiver() as receiver:
        waiting = asyncio.create_task(receiver.arrived(1))
        async with httpx.AsyncClient(trust_env=False) as client:
            await client.post(receiver.url, content=b"{}")
        assert (await waiting)[0].json() == {}


def test_receiver_says_what_came_when_time_is_up() -> None:
    with Receiver() as receiver:
        httpx.post(receiver.url + "/hook", trust_env=False)
        with pytest.raises(TimeoutError, match=r"1 of 2 requests .*POST /hook"):
            receiver.wait_for(2, timeout_s=0.1)


def test_missing_program_says_how_to_get_it() -> None:
    with pytest.raises(NotInstalledError, match=r"no-such-program is not installed: scripts/tools.sh"):
        find_program("no-such-program")


class Sleeper(Process):
    name = "sleeper"

    def command(self) -> list[str]:
        return [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]

    def is_ready(self) -> bool:
        return "up" in self.log_lines()


def test_process_is_ended_with_its_context(tmp_path: Path) -> None:
    with Sleeper(tmp_path) as sleeper:
        assert sleeper.process.poll() is None
    assert sleeper.process.poll() == -15


def test_process_that_ends_at_once_shows_its_log(tmp_path: Path) -> None:
    class Failing(Sleeper):
        def command(self) -> list[str]:
            return [sys.executable, "-c", "import sys; sys.exit('no such key: colour')"]

    with pytest.raises(RuntimeError, match="no such key: colour"):
        Failing(tmp_path).start()


def test_free_ports_are_below_those_of_clients() -> None:
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert free_port() < first


def test_a_port_is_given_once() -> None:
    with ThreadPoolExecutor(8) as pool:
        ports = list(pool.map(lambda _: free_port(), range(200)))
    assert len(set(ports)) == len(ports)


def test_script_refuses_an_unknown_group() -> None:
    done = subprocess.run(["scripts/tools.sh", "pyhton"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pyhton: no such group" in done.stderr
