"""Renders an event with a target's own template.

A template has these names: `event` (the keys of Documented), `harbor` (the body of Default as a
mapping), `event_type`, `event_type_harbor2`, `event_id`, `occurred_at`. An unknown name is an error,
never an empty text. See docs/events.md.
"""

import json
from collections.abc import Iterator
from datetime import UTC
from functools import lru_cache
from types import TracebackType
from typing import Any, Final, NoReturn

from jinja2.exceptions import TemplateSyntaxError, UndefinedError

from sidecar.formats import default, documented
from sidecar.formats.context import FormatContext
from sidecar.formats.payload import whole
from sidecar.formats.sandbox import LARGEST_BYTES, Sandbox, TooLarge, variables
from sidecar.model.delivery import JSON_TYPE, Payload
from sidecar.model.event import Event

_LARGEST_SOURCE: Final = 32 << 10
_FILE_NAME: Final = "<template>"  # what Jinja calls a template that has no file


class TemplateFailed(Exception):
    """A template cannot be used, or failed for an event: where and why."""

    def __init__(self, reason: str, *, line: int | None = None) -> None:
        super().__init__(f"line {line}: {reason}" if line else reason)


def encode(event: Event, context: FormatContext, source: str, content_type: str = JSON_TYPE) -> Payload:
    """Raises TemplateFailed."""
    text = whole(_render(compiled(source), _variables(event, context)))
    if is_json(content_type):
        _check_json(text)
    return Payload(text.encode(errors="replace"), content_type)


@lru_cache(maxsize=4096)  # when the configuration is read; an event finds it here
def compiled(source: str) -> Any:
    """A template ready to be rendered; raises TemplateFailed."""
    if len(source) > _LARGEST_SOURCE:
        raise TemplateFailed(f"is longer than {_LARGEST_SOURCE >> 10} KiB")
    try:
        return _SANDBOX.compiled(source)
    except TemplateSyntaxError as exc:
        raise TemplateFailed(exc.message or "cannot be read", line=exc.lineno) from None
    except RecursionError:
        raise TemplateFailed("is nested too deeply") from None
    except Exception as exc:  # noqa: BLE001  # Jinja reads numbers and text by Python's own means
        raise TemplateFailed(f"cannot be read: {str(exc).partition(';')[0] or type(exc).__name__}") from None


def is_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == JSON_TYPE or media_type.endswith("+json")


def _variables(event: Event, context: FormatContext) -> dict[str, object]:
    return variables(
        event=documented.contents_of(event, context),
        harbor=default.document_of(event, context),
        event_type=str(event.type),
        event_type_harbor2=event.type.harbor2,
        event_id=str(event.id),
        occurred_at=event.occurred_at.astimezone(UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z"),
    )


def _render(template: Any, names: dict[str, object]) -> str:
    try:
        return "".join(_within_bounds(template.generate(names)))
    except Exception as exc:  # noqa: BLE001  # whatever an expression of a user may raise
        raise TemplateFailed(_words(exc), line=_line_of(exc)) from None


def _within_bounds(pieces: Iterator[str]) -> Iterator[str]:
    size = 0
    for piece in pieces:
        size += len(piece.encode(errors="replace"))
        if size > LARGEST_BYTES:
            raise TooLarge(f"the payload is larger than {LARGEST_BYTES >> 10} KiB")
        yield piece


def _words(exc: Exception) -> str:
    if isinstance(exc, UndefinedError):
        return str(exc.message).replace("'dict object' has no attribute", "there is no")
    return str(exc) or type(exc).__name__


def _line_of(exc: Exception) -> int | None:
    line, trace = None, exc.__traceback__
    while trace:
        line, trace = _line_in(trace) or line, trace.tb_next
    return line


def _line_in(trace: TracebackType) -> int | None:
    return trace.tb_lineno if trace.tb_frame.f_code.co_filename == _FILE_NAME else None


def _check_json(text: str) -> None:
    try:
        json.loads(text, parse_constant=_refuse_constant)
    except ValueError as exc:
        line = exc.lineno if isinstance(exc, json.JSONDecodeError) else None
        what = exc.msg if isinstance(exc, json.JSONDecodeError) else str(exc)
        where = f", in line {line} of what it makes" if line else ""
        raise TemplateFailed(
            f"makes no valid JSON: {what}{where}; write values as {{{{ x | tojson }}}}"
        ) from None
    except RecursionError:
        raise TemplateFailed("makes JSON that is nested too deeply") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_SANDBOX: Final = Sandbox()
