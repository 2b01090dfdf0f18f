"""Look-ups that wait for nobody."""

import asyncio
import socket
import threading
import time
from typing import Any

import pytest

from sidecar.dispatcher.resolver import Lookups


async def test_localhost_has_a_loopback_address() -> None:
    found = await Lookups().addresses("localhost", 80)
    assert {address[:2] for *_, address in found} <= {("127.0.0.1", 80), ("::1", 80)}


@pytest.mark.parametrize(("host", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)])
async def test_an_address_is_its_own_answer(host: str, family: int) -> None:
    assert [(found[0], found[4]) for found in await Lookups().addresses(host, 80)] == [(family, (host, 80))]


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".example", "a..b"])
async def test_a_name_without_address_raises_os_error(host: str) -> None:
    with pytest.raises(OSError, match=r".+"):
        await Lookups().addresses(host, 80)


async def test_a_hundred_hanging_names_delay_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    release, real = threading.Event(), socket.getaddrinfo

    def getaddrinfo(host: str, *args: Any, **more: Any) -> Any:
        if host.startswith("hangs"):
            release.wait(20)
        return real("127.0.0.1", *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    lookups = Lookups()
    hanging = [asyncio.ensure_future(lookups.addresses(f"hangs{number}", 80)) for number in range(100)]
    await asyncio.sleep(0)
    await lookups.addresses("quick", 80)
    assert not any(look_up.done() for look_up in hanging), "it came before them"
    hanging[0].cancel()
    release.set()
    await asyncio.gather(*hanging, return_exceptions=True)
    assert hanging[0].cancelled()
    assert hanging[1].result()


async def test_a_name_is_asked_for_once_at_a_time_and_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, real = [], socket.getaddrinfo

    def getaddrinfo(host: str, *args: Any, **more: Any) -> Any:
        asked.append(host)
        time.sleep(0.05)
        return real("127.0.0.1", *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    lookups = Lookups()
    impatient, *patient = (asyncio.ensure_future(lookups.addresses("ci.example", 80)) for _ in range(3))
    await asyncio.sleep(0)
    impatient.cancel()
    found = await asyncio.gather(*patient)
    assert found == [await lookups.addresses("ci.example", 80)] * 2
    assert asked == ["ci.example"]
    await lookups.addresses("ci.example", 81)
    assert len(asked) == 2


async def test_a_failure_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo
    lookups = Lookups()
    with pytest.raises(OSError, match=r".+"):
        await lookups.addresses("no-such-host.invalid", 80)
    monkeypatch.setattr(socket, "getaddrinfo", lambda _, *args, **more: real("127.0.0.1", *args, **more))
    assert await lookups.addresses("no-such-host.invalid", 80)
