"""Look-ups that wait for nobody."""

import asyncio
import socket
import threading
import time
from typing import Any

import pytest

from sidecar.dispatcher.resolver import ThreadedLookups


async def test_localhost_has_a_loopback_address() -> None:
    found = await ThreadedLookups().resolve("localhost", 80)
    assert {result["host"] for result in found} <= {"127.0.0.1", "::1"}
    assert found[0]["port"] == 80


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".example", "a..b"])
async def test_a_name_without_address_raises_os_error(host: str) -> None:
    with pytest.raises(OSError, match=r".+"):
        await ThreadedLookups().resolve(host, 80)


async def test_a_hundred_hanging_names_delay_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    release, real = threading.Event(), socket.getaddrinfo

    def getaddrinfo(host: str, *args: Any, **more: Any) -> Any:
        if host.startswith("hangs"):
            release.wait(20)
        return real("127.0.0.1", *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    lookups = ThreadedLookups()
    hanging = [asyncio.ensure_future(lookups.resolve(f"hangs{number}", 80)) for number in range(100)]
    await asyncio.sleep(0)
    began = time.monotonic()
    await lookups.resolve("quick", 80)
    assert time.monotonic() - began < 2
    hanging[0].cancel()
    release.set()
    await asyncio.gather(*hanging, return_exceptions=True)
    assert hanging[0].cancelled()
    assert hanging[1].result()
