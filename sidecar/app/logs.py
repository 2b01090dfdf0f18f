"""Log lines: one JSON object each on standard error, with nothing secret in it.

Modules say `log = structlog.get_logger()` and `log.info("noun.past_verb", key=value)`. What the
standard library's logging carries (aiohttp, asyncio) comes out in the same form. The level can be
changed while running: filtered methods are swapped for empty ones on the class that every logger
shares, so a debug line that is off costs one call of an empty function.
"""

import logging
import math
import re
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from sidecar.model.secrets import MASK, mask_text

LEVELS: Final = ("debug", "info", "warning", "error", "critical")

_SECRET_KEY = re.compile(
    r"authorization|auth_header|cookie|passw|secret|token|credential|api[_-]?key|signature", re.IGNORECASE
)
_DEEPEST: Final = 6
_LARGEST_NUMBER: Final = 10**300  # long integers are slow to convert to decimal, and refused beyond a limit
_RARELY_S: Final = 60.0
_MOST_REMEMBERED: Final = 1000
#: Lines that would repeat endlessly while something is wrong.
_REPEATED: Final = frozenset(
    {
        *("store.unavailable", "intent.not_noted", "exchange.kept_in_memory"),
        *("background.failed", "task.failed", "loop.complained", "readiness.failed"),
        *("exchange.record_failed", "attempt.crashed", "intent.not_settled", "row.unreadable"),
    }
)
_FIRST: Final = ("timestamp", "level", "event")  #: what people read first


class Logger(structlog.BoundLoggerBase):
    """The one class of all loggers; `set_level` gives it its methods."""


class _Unfailing:
    """A stream that ignores failures of writing.

    A full disk or a closed pipe must not raise in callers that only log; the store's writer
    reports a full disk.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """Sets up both logging systems; to be called once, before the first line."""
    stream = cast("TextIO", _Unfailing(stream or sys.stderr))
    set_level(level)
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, *_common(), _render],
        wrapper_class=Logger,
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_common(), _render],
        )
    )
    logging.getLogger().handlers = [handler]
    logging.captureWarnings(capture=True)
    # Their lines contain paths and queries of clients; the stages log what matters.
    for name in ("aiohttp.access", "httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)


def set_level(level: str) -> None:
    """Takes effect at once, for loggers that exist already too."""
    number = logging.getLevelNamesMapping()[level.upper()]
    filtering = structlog.make_filtering_bound_logger(number)
    for name in dir(filtering):
        if not name.startswith("_") and name not in dir(structlog.BoundLoggerBase):
            setattr(Logger, name, getattr(filtering, name))
    logging.getLogger().setLevel(number)


class RareLines:
    """Limits repeated lines: the first one, then one a minute with the number of omitted ones.

    Lines are the same when event, error and the origin of an exception are.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._said: dict[tuple[str, ...], tuple[float, int]] = {}  # when last written, how many omitted since

    def __call__(self, _logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
        if event_dict.get("event") not in _REPEATED:
            return event_dict
        key, now_s = _sameness(event_dict), self._monotonic()
        said_s, left_out = self._said.get(key, (-math.inf, 0))
        if now_s - said_s < _RARELY_S:
            self._said[key] = said_s, left_out + 1
            raise structlog.DropEvent
        if len(self._said) >= _MOST_REMEMBERED:
            self._said.clear()
        self._said[key] = now_s, 0
        if left_out:
            event_dict["repeated"] = left_out
        return event_dict


def _sameness(event_dict: EventDict) -> tuple[str, ...]:
    error = event_dict.get("exc_info")
    found = sys.exc_info()[1] if error is True else error
    return str(event_dict["event"]), str(event_dict.get("error", "")), origin_of(found)


def origin_of(error: object) -> str:
    """Type of an exception and where it was raised; "" for anything else."""
    if not isinstance(error, BaseException):
        return ""
    trace, kind = error.__traceback__, type(error).__name__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{kind} at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else kind


def _common() -> list[Processor]:
    return [
        RareLines(),
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,  # the traceback as text, without local variables
        mask,
    ]


_render: Final = structlog.processors.JSONRenderer(sort_keys=False)


def mask(_logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
    """A processor: masks secrets as ***, and makes every value one that JSON can express."""
    first = {key: event_dict.pop(key) for key in _FIRST if key in event_dict}
    return {key: _safely_masked(key, value) for key, value in (first | dict(event_dict)).items()}


def _safely_masked(key: str, value: object) -> Any:
    try:
        return _masked(key, value, 0)
    except Exception as exc:  # noqa: BLE001  # a value that cannot be shown must not harm who shows it
        return f"(cannot be shown: {type(exc).__name__})"


def _masked(key: str, value: object, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if _SECRET_KEY.search(key):
        return MASK
    match value:
        case int():
            return value if abs(value) < _LARGEST_NUMBER else "(a very large number)"
        case str():
            return mask_text(value)
        case float():
            return value if math.isfinite(value) else str(value)
        case Mapping() if depth < _DEEPEST:
            return {str(name): _masked(str(name), inner, depth + 1) for name, inner in value.items()}
        case list() | tuple() | set() | frozenset() if depth < _DEEPEST:
            return [_masked(key, element, depth + 1) for element in value]
        case BaseException():
            return mask_text(f"{type(value).__name__}: {value}")
        case _:
            return mask_text(_as_text(value))


def _as_text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
