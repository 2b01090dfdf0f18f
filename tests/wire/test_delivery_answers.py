"""Whatever a target answers, or fails to answer, is one recorded attempt."""

import gzip
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from sidecar.model.secrets import Secret
from sidecar.policies.target import BodySignature
from tests.support.receiver import Answer, Received, Receiver
from tests.wire.delivery_bench import SHORT, Bench, a_bench, a_delivery, running
from tests.wire.delivery_raw_targets import (
    Behave,
    a_raw_target,
    answers,
    breaks_off,
    drips,
    hangs,
)

ONCE = replace(SHORT, schedule=replace(SHORT.schedule, max_failures=1), timeout_s=1.0)


async def attempt_at(folder: Path, behave: Behave, **more: Any) -> dict[str, Any]:
    """The one attempt that is recorded for a target that behaves like this."""
    async with a_raw_target(behave) as target, a_bench(folder) as bench, running(bench, ONCE):
        await bench.store(a_delivery(bench.add_target(target.url, **more)))
        return await the_attempt(bench)


async def the_attempt(bench: Bench) -> dict[str, Any]:
    await bench.until_counted(**{await _final_state(bench): 1})
    names = ("status", "error", "excerpt", "address", "duration_ms")
    ((*values,),) = await bench.rows(", ".join(names), "attempts")
    return dict(zip(names, values, strict=True))


async def _final_state(bench: Bench) -> str:
    while True:
        (state,) = await bench.states()
        if state not in {"waiting", "sending"}:
            return state


@asynccontextmanager
async def delivering_to(folder: Path, url: str, **more: Any) -> AsyncIterator[Bench]:
    async with a_bench(folder) as bench, running(bench, ONCE):
        await bench.store(a_delivery(bench.add_target(url, **more)))
        yield bench


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_every_2xx_is_delivered(tmp_path: Path, status: int) -> None:
    with Receiver(lambda _: Answer(status=status)) as receiver:
        async with delivering_to(tmp_path, receiver.url) as bench:
            assert (await the_attempt(bench))["status"] == status
            assert await bench.states() == ["delivered"]


@pytest.mark.parametrize("status", [300, 304, 400, 404, 429, 500, 503])
async def test_everything_else_is_a_failure(tmp_path: Path, status: int) -> None:
    with Receiver(lambda _: Answer(status=status)) as receiver:
        async with delivering_to(tmp_path, receiver.url) as bench:
            assert (await the_attempt(bench))["status"] == status
            assert await bench.states() == ["given_up"]


async def test_attempt_records_address_duration_and_excerpt(tmp_path: Path) -> None:
    with Receiver(lambda _: Answer(status=500, body=b"no such job", delay_s=0.1)) as receiver:
        async with delivering_to(tmp_path, receiver.url) as bench:
            attempt = await the_attempt(bench)
    assert attempt["excerpt"] == "no such job"
    assert attempt["address"] == f"127.0.0.1:{receiver.port}"
    assert attempt["duration_ms"] >= 100, "no shorter than the target took"


def echo(request: Received) -> Answer:
    return Answer(body=json.dumps({"headers": request.headers, "path": request.path}).encode())


async def test_secrets_that_are_echoed_are_masked(tmp_path: Path) -> None:
    signing = "whsec_c2lnbmluZ3MzY3JldA=="
    with Receiver(echo) as receiver:
        url = f"{receiver.url}/hook?api_key=s3cretquery"
        more = {
            "auth_header": Secret('Bearer s3cr"et'),
            "secret": Secret(signing),
            "body_signature": BodySignature(
                header="X-Sign", prefix="s3cretbody ", secret=Secret("s3cretbody")
            ),
        }
        async with delivering_to(tmp_path, url, **more) as bench:
            excerpt = (await the_attempt(bench))["excerpt"]
    assert "webhook-id" in excerpt
    assert "s3c" not in excerpt
    assert "***" in excerpt


async def test_a_huge_answer_is_cut_and_costs_no_memory(tmp_path: Path) -> None:
    async def pours(_: Any, writer: Any) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        for _unused in range(2000):
            writer.write(b"y" * 1_000_000)
            await writer.drain()

    before = psutil.Process().memory_info().rss
    attempt = await attempt_at(tmp_path, pours)
    assert attempt["status"] == 200
    assert attempt["excerpt"] == "y" * 4096
    assert psutil.Process().memory_info().rss - before < 50 << 20


async def test_a_compressed_answer_is_never_unpacked(tmp_path: Path) -> None:
    bomb = gzip.compress(b"\0" * (64 << 20))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    attempt = await attempt_at(tmp_path, answers(head + bomb))
    assert (attempt["status"], attempt["excerpt"]) == (200, "(compressed)")


@pytest.mark.parametrize(
    ("behave", "error"),
    [
        (hangs, "no answer within 1 s"),
        (drips(b""), "the answer is not valid HTTP"),
        (drips(b"HTTP/1.1 200 "), "no answer within 1 s"),
        (breaks_off, "the connection was closed before an answer came"),
        (answers(b"SSH-2.0-OpenSSH_9.2\r\n"), "the answer is not valid HTTP"),
        (answers(b"HTTP/1.1 abc OK\r\n\r\n"), "the answer is not valid HTTP"),
        (answers(b"HTTP/1.1 100 Continue\r\n\r\n" * 5, then_close=True), "the connection was closed"),
        (answers(b"\0" * 1000, then_close=True), "the answer is not valid HTTP"),
    ],
)
async def test_a_target_that_does_not_answer_is_unreachable(
    tmp_path: Path, behave: Behave, error: str
) -> None:
    attempt = await attempt_at(tmp_path, behave)
    assert attempt["status"] is None
    assert attempt["error"].startswith(error)
    assert attempt["address"].startswith("127.0.0.1:")


@pytest.mark.parametrize(
    "behave",
    [
        drips(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
        answers(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nxx", then_close=True),
    ],
)
async def test_the_status_counts_even_when_the_body_never_ends_well(tmp_path: Path, behave: Behave) -> None:
    attempt = await attempt_at(tmp_path, behave)
    assert attempt["status"] == 200


async def test_an_answer_before_the_request_was_read_counts(tmp_path: Path) -> None:
    async def refuses_early(reader: Any, writer: Any) -> None:
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    assert (await attempt_at(tmp_path, refuses_early))["status"] == 413


async def test_a_refused_connection_is_said(tmp_path: Path) -> None:
    async with delivering_to(tmp_path, "http://127.0.0.1:1/hook?token=s3cret") as bench:
        attempt = await the_attempt(bench)
    assert "refused" in attempt["error"].lower()
    assert "s3cret" not in attempt["error"]
    assert attempt["address"] == "127.0.0.1:1"


async def test_an_unknown_host_is_said(tmp_path: Path) -> None:
    async with delivering_to(tmp_path, "http://no-such-host.invalid/") as bench:
        assert "cannot be resolved" in (await the_attempt(bench))["error"]


@contextmanager
def a_full_backlog() -> Iterator[int]:
    """A port whose connections are never completed: nobody accepts, and the queue is full."""
    with socket.socket() as listening, ExitStack() as clients:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        address = listening.getsockname()
        for _ in range(8):
            client = clients.enter_context(socket.socket())
            client.setblocking(False)  # noqa: FBT003  # its name is flag
            client.connect_ex(address)
        yield address[1]


async def test_an_address_that_does_not_connect_is_given_up_in_time(tmp_path: Path) -> None:
    with a_full_backlog() as port:
        async with delivering_to(tmp_path, f"http://127.0.0.1:{port}/") as bench:
            attempt = await the_attempt(bench)
    assert attempt["error"] in {"not connected within 1 s", "no answer within 1 s"}


async def test_a_target_that_cannot_be_used_fails_like_any_other(tmp_path: Path) -> None:
    async with delivering_to(tmp_path, "ftp://h/", secret=Secret("")) as bench:
        attempt = await the_attempt(bench)
        assert await bench.states() == ["given_up"]
    assert attempt["error"] == "the address is no http or https URL"
