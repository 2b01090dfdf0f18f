import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.typing import EventDict

from sidecar.app import logs
from sidecar.model.secrets import Secret

Stream = io.StringIO


@pytest.fixture
def stream() -> Iterator[Stream]:
    root = logging.getLogger()
    before = (root.handlers, root.level, structlog.get_config())
    stream = Stream()
    logs.configure("info", stream)
    yield stream
    root.handlers = before[0]
    root.setLevel(before[1])
    logging.captureWarnings(capture=False)
    structlog.configure(**before[2])


def _lines(stream: Stream) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_time_level_and_event_first(stream: Stream) -> None:
    structlog.get_logger().info("delivery.enqueued", repository="prj/app", size_bytes=3)
    (line,) = _lines(stream)
    assert list(line) == ["timestamp", "level", "event", "repository", "size_bytes"]
    assert (line["level"], line["event"], line["size_bytes"]) == ("info", "delivery.enqueued", 3)
    assert datetime.fromisoformat(line["timestamp"]).tzinfo == UTC


def test_the_standard_library_comes_out_in_the_same_form(stream: Stream) -> None:
    logging.getLogger("aiohttp.server").error("failed %s", "Bearer sekrit", extra={"token": "sekrit"})
    (line,) = _lines(stream)
    assert list(line)[:3] == ["timestamp", "level", "event"]
    assert (line["event"], line["logger"], line["token"]) == ("failed Bearer ***", "aiohttp.server", "***")


def test_a_disk_that_is_full_harms_nobody_who_only_says_something(stream: Stream) -> None:
    with io.TextIOWrapper(io.FileIO("/dev/full", "w"), write_through=True) as full:
        with pytest.raises(OSError, match="No space"):
            full.write("as it is without us")
        logs.configure("info", full)
        structlog.get_logger().error("store.failed", error="disk I/O error")
        logging.getLogger("asyncio").error("told by the standard library")


def test_requests_that_aiohttp_would_note_are_not_logged(stream: Stream) -> None:
    logging.getLogger("aiohttp.access").info("GET /v2/?_state=sekrit")
    assert stream.getvalue() == ""


def test_the_level_changes_for_loggers_that_exist(stream: Stream) -> None:
    log = structlog.get_logger()
    bound = log.bind(worker=1)
    log.debug("a.b")
    bound.debug("a.b")
    logs.set_level("debug")
    log.debug("c.d")
    bound.debug("c.d")
    logging.getLogger("other").debug("e.f")
    logs.set_level("error")
    bound.warning("g.h")
    logging.getLogger("other").warning("g.h")
    assert [line["event"] for line in _lines(stream)] == ["c.d", "c.d", "e.f"]


@pytest.mark.parametrize("level", logs.LEVELS)
def test_every_level_lets_itself_through(stream: Stream, level: str) -> None:
    logs.set_level(level)
    getattr(structlog.get_logger(), level)("a.b")
    assert _lines(stream)[0]["level"] == level


def _fail() -> None:
    local_variable = "-local"
    address = f"http://u:sekrit{local_variable}@h/x?sig=sekrit"
    raise ValueError(f"no answer of {address} to Basic sekrit")


def test_an_exception_is_one_line_without_secrets_and_without_local_variables(stream: Stream) -> None:
    try:
        _fail()
    except ValueError:
        structlog.get_logger().exception("attempt.failed")
        logging.getLogger("x").exception("failed")
    first, second = _lines(stream)
    for line in (first, second):
        assert "Traceback" in line["exception"]
        assert "ValueError: no answer of http://***@h/x?*** to Basic ***" in line["exception"]
    assert "sekrit-local" not in stream.getvalue()


@pytest.mark.parametrize(
    "key",
    [
        "authorization",
        "Authorization",
        "auth_header",
        "cookie",
        "Set-Cookie",
        "password",
        "harbor_admin_password",
        "secret",
        "client_secret",
        "token",
        "access_credential",
        "X-ScannerAdapter-API-Key",
    ],
)
def test_what_has_a_secret_name_is_masked_at_any_depth(stream: Stream, key: str) -> None:
    structlog.get_logger().info(
        "a.b", **{key: "sekrit"}, inner={"list": [{key: ["sekrit"]}]}, number={key: 123456}
    )
    assert "sekrit" not in stream.getvalue()
    assert "123456" not in stream.getvalue()
    assert _lines(stream)[0]["inner"]["list"][0][key] == "***"


def test_values_that_json_lacks_become_text(stream: Stream) -> None:
    structlog.get_logger().info(
        "a.b",
        path=Path("/x"),
        value=Secret("sekrit"),
        error=ValueError("Bearer sekrit"),
        many={"a"},
        pair=(1, None),
        content=b"\xffBearer sekrit",
        endless=float("inf"),
        flag=True,
        broken="\ud800\n",
    )
    (line,) = _lines(stream)
    assert (line["path"], line["value"], line["error"]) == ("/x", "***", "ValueError: Bearer ***")
    assert (line["many"], line["pair"], line["flag"]) == (["a"], [1, None], True)
    assert (line["content"], line["endless"]) == ("\ufffdBearer ***", "inf")


def test_values_within_values_within_values_end_somewhere(stream: Stream) -> None:
    loop: dict[str, Any] = {}
    loop["again"] = loop
    structlog.get_logger().info("a.b", loop=loop)
    assert len(_lines(stream)) == 1


def test_bound_context_is_merged(stream: Stream) -> None:
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        structlog.get_logger().info("a.b")
    assert _lines(stream)[0]["request_id"] == "r1"


class _Unshowable:
    def __str__(self) -> str:
        raise ZeroDivisionError


def test_a_value_that_cannot_be_shown_harms_no_line(stream: Stream) -> None:
    structlog.get_logger().info("a.b", value=_Unshowable(), number=10**5000, other=1)
    (line,) = _lines(stream)
    assert (line["value"], line["number"], line["other"]) == (
        "(cannot be shown: ZeroDivisionError)",
        "(a very large number)",
        1,
    )


def test_what_comes_again_and_again_is_said_once_a_minute_with_a_count() -> None:
    now_s = 0.0
    rare = logs.RareLines(lambda: now_s)

    def say(event: str = "store.unavailable", error: str = "full") -> EventDict | None:
        try:
            return dict(rare(None, "warning", {"event": event, "error": error}))
        except structlog.DropEvent:
            return None

    assert say() == {"event": "store.unavailable", "error": "full"}
    assert [say() for _ in range(300)] == [None] * 300
    assert say(error="locked") is not None
    assert say(event="sidecar.stopped") == say(event="sidecar.stopped") is not None
    now_s = 60.0
    assert say() == {"event": "store.unavailable", "error": "full", "repeated": 300}
    now_s = 61.0
    assert say() is None
