"""Where webhooks may go: checked on the address that is dialled, whatever its name or spelling."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from sidecar.dispatcher.dispatcher import DispatcherSettings
from sidecar.policies.egress_rules import EgressRules
from tests.support.receiver import Receiver
from tests.wire.delivery_bench import SHORT, a_bench, a_delivery, running
from tests.wire.delivery_raw_targets import a_raw_target, answers

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
ONCE = replace(SHORT, schedule=replace(SHORT.schedule, max_failures=1))


async def outcome(
    folder: Path, address: str, settings: DispatcherSettings = ONCE, **more: Any
) -> tuple[str, str]:
    """How one delivery to an address ended, and the error of its attempt."""
    async with a_bench(folder) as bench, running(bench, settings):
        await bench.store(a_delivery(bench.add_target(address, **more)))
        while (states := await bench.states())[0] in {"waiting", "sending"}:
            await asyncio.sleep(0.01)
        ((error,),) = await bench.rows("error", "attempts")
    return states[0], error


def names_resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    real = socket.getaddrinfo

    def getaddrinfo(host: str, *args: Any, **more: Any) -> Any:
        if not host.endswith(".example"):
            return real(host, *args, **more)
        return [found for address in addresses for found in real(address, *args, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "0.0.0.0", "224.0.0.1", "fd00:ec2::254"],
)
async def test_a_name_does_not_get_round_the_guard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    names_resolve_to(monkeypatch, address)
    state, error = await outcome(tmp_path, "http://innocent.example/latest/meta-data")
    assert state == "given_up"
    assert "is not allowed" in error


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "[::ffff:a9fe:a9fe]", "0"]
)
async def test_a_spelling_does_not_get_round_the_guard(tmp_path: Path, host: str) -> None:
    state, error = await outcome(tmp_path, f"http://{host}/latest/meta-data")
    assert state == "given_up"
    assert "is not allowed" in error


async def test_a_name_with_a_good_address_too_is_dialled_there_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names_resolve_to(monkeypatch, "169.254.169.254", "127.0.0.1")
    with Receiver() as receiver:
        address = f"http://mixed.example:{receiver.port}/"
        assert await outcome(tmp_path, address) == ("delivered", "")


@pytest.mark.parametrize("listener", ["0.0.0.0", "::", "127.0.0.1", "localhost"])
async def test_own_listeners_are_never_dialled(tmp_path: Path, listener: str) -> None:
    async with a_raw_target(answers(OK)) as target:
        rules = EgressRules(own_listeners=((listener, target.port),), allow_hosts=("*",))
        state, error = await outcome(tmp_path, target.url, replace(ONCE, egress=rules))
    assert (state, target.connections) == ("given_up", 0)
    assert "own listener" in error


async def test_denied_networks_are_not_dialled_and_allowed_hosts_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names_resolve_to(monkeypatch, "127.0.0.1")
    rules = EgressRules(deny_cidrs=(ip_network("127.0.0.0/8"),), allow_hosts=("good.example",))
    settings = replace(ONCE, egress=rules)
    with Receiver() as receiver:
        good = await outcome(tmp_path / "1", f"http://good.example:{receiver.port}/", settings)
        bad = await outcome(tmp_path / "2", f"http://bad.example:{receiver.port}/", settings)
        assert len(receiver.requests) == 1
    assert good == ("delivered", "")
    assert bad[0] == "given_up"


async def test_rules_can_be_replaced_while_running(tmp_path: Path) -> None:
    with Receiver() as receiver:
        async with a_bench(tmp_path) as bench, running(bench, ONCE) as dispatcher:
            refusing = EgressRules(deny_cidrs=(ip_network("127.0.0.0/8"),))
            dispatcher.reconfigure(replace(ONCE, egress=refusing))
            await bench.store(a_delivery(bench.add_target(receiver.url)))
            await bench.until("given_up")
        assert receiver.requests == []


# Proxies


@asynccontextmanager
async def a_tunnel(to_port: int) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A proxy that connects every CONNECT to one port of this machine; lists the requests it had."""
    heads: list[bytes] = []
    serving: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(65536):
            writer.write(chunk)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        serving.add(task)
        with closing(writer):
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            there, back = await asyncio.open_connection("127.0.0.1", to_port)
            with closing(back):
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                await asyncio.gather(pump(reader, back), pump(there, writer), return_exceptions=True)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], heads
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


async def test_the_proxy_of_the_environment_gets_the_whole_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_raw_target(answers(OK)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://me:pw@127.0.0.1:{proxy.port}")
        state, _ = await outcome(tmp_path, "http://ci.example/a%2Fb/?x=1", replace(ONCE, trust_env=True))
    assert state == "delivered"
    assert proxy.requests[0].startswith(b"POST http://ci.example/a%2Fb/?x=1 HTTP/1.1\r\nHost: ci.example\r\n")
    assert b"\r\nProxy-Authorization: Basic bWU6cHc=\r\n" in proxy.requests[0]


async def test_https_goes_through_a_tunnel_and_the_proxys_password_stays_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Receiver(tls_in=tmp_path / "tls") as receiver:
        async with a_tunnel(receiver.port) as (port, heads):
            monkeypatch.setenv("HTTPS_PROXY", f"http://me:pw@127.0.0.1:{port}")
            settings = replace(ONCE, trust_env=True)
            state, error = await outcome(tmp_path, "https://ci.example/hook", settings, skip_cert_verify=True)
        assert (state, error) == ("delivered", "")
        assert receiver.requests[0].header("Proxy-Authorization") == ""
    assert heads[0].startswith(b"CONNECT ci.example:443 HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic bWU6cHc=" in heads[0]


async def test_certificates_are_verified_through_a_proxy_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Receiver(tls_in=tmp_path / "tls") as receiver:
        async with a_tunnel(receiver.port) as (port, _):
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
            state, _ = await outcome(tmp_path, "https://ci.example/", replace(ONCE, trust_env=True))
        assert receiver.requests == []
    assert state == "given_up"


@pytest.mark.parametrize(
    ("proxy", "error"),
    [
        ("http://169.254.169.254:3128", "is not allowed"),
        ("http://127.0.0.1:1", "the proxy cannot be reached"),
        ("socks5://127.0.0.1:1", "HTTP_PROXY names no http or https proxy"),
    ],
)
async def test_a_proxy_that_cannot_be_used_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: str, error: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    state, said = await outcome(tmp_path, "http://ci.example/", replace(ONCE, trust_env=True))
    assert state == "given_up"
    assert error in said


async def test_the_environment_is_not_looked_at_when_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    names_resolve_to(monkeypatch, "127.0.0.1")
    with Receiver() as receiver:
        assert await outcome(tmp_path, f"http://ci.example:{receiver.port}/") == ("delivered", "")


async def test_credentials_of_netrc_are_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password pw\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with Receiver() as receiver:
        await outcome(tmp_path, receiver.url, replace(ONCE, trust_env=True))
        assert receiver.requests[0].header("Authorization") == ""


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", ["10.1.2.3", "167838211", "[::ffff:10.1.2.3]"])
async def test_an_address_in_the_url_is_judged_behind_a_proxy_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, host: str
) -> None:
    with Receiver() as proxy:
        monkeypatch.setenv(f"{scheme.upper()}_PROXY", proxy.url)
        rules = EgressRules(deny_cidrs=(ip_network("10.0.0.0/8"),))
        settings = replace(ONCE, egress=rules, trust_env=True)
        state, error = await outcome(tmp_path, f"{scheme}://{host}/", settings)
        assert not proxy.requests
    assert state == "given_up"
    assert "on the deny list" in error


async def test_a_connection_in_use_is_not_kept_past_new_rules(tmp_path: Path) -> None:
    async def slowly(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.2)
        writer.write(OK)

    async with a_raw_target(slowly) as target, a_bench(tmp_path) as bench, running(bench, ONCE) as dispatcher:
        key = bench.add_target(target.url)
        await bench.store(a_delivery(key))
        while not target.requests:
            await asyncio.sleep(0.01)
        rules = EgressRules(deny_cidrs=(ip_network("127.0.0.0/8"),))
        dispatcher.reconfigure(replace(ONCE, egress=rules))
        await bench.until("delivered")
        await bench.store(a_delivery(key))
        await bench.until("delivered", "given_up")
