"""Readiness: the response of /readyz.

Liveness and readiness are different. An unreachable upstream makes the sidecar unready but never dead:
restarting the sidecar would not bring the upstream back.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog

from sidecar.model.secrets import mask_text

_FRESH_S: Final = 1.0
_TIMEOUT_S: Final = 3.0
_OK: Final = "ok"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Check:
    """One check that must pass before traffic is sent here."""

    probe: Callable[[], Awaitable[str]]  #: "" when all is well, otherwise the reason, without secrets
    is_required: bool = True  #: False: a failure is reported, but the sidecar stays ready


@dataclass(frozen=True, slots=True)
class Report:
    status: int  #: 200 or 503
    body: dict[str, Any]


class Readiness:
    """Runs every check, at most once a second, however many requests come."""

    def __init__(
        self,
        checks: Mapping[str, Check],
        *,
        is_draining: Callable[[], bool],
        monotonic: Callable[[], float] = time.monotonic,
        timeout_s: float = _TIMEOUT_S,
    ) -> None:
        self._checks = dict(checks)
        self._is_draining = is_draining
        self._monotonic = monotonic
        self._timeout_s = timeout_s
        self._asking = asyncio.Lock()
        self._reasons: dict[str, str] = {}
        self._asked_at: float | None = None

    async def report(self) -> Report:
        async with self._asking:
            if self._asked_at is None or self._monotonic() - self._asked_at >= _FRESH_S:
                await self._ask()
        return self._report(self._reasons, is_draining=self._is_draining())

    async def _ask(self) -> None:
        reasons = await asyncio.gather(*(self._reason(name, check) for name, check in self._checks.items()))
        self._reasons = dict(zip(self._checks, reasons, strict=True))
        self._asked_at = self._monotonic()

    async def _reason(self, name: str, check: Check) -> str:
        try:
            async with asyncio.timeout(self._timeout_s):
                return mask_text(await check.probe())
        except TimeoutError:
            return f"no answer within {self._timeout_s:g} s"
        except Exception:  # a bug in a probe must not fail the whole response
            log.exception("readiness.failed", check=name)
            return "the check itself failed; see the log"

    def _report(self, reasons: Mapping[str, str], *, is_draining: bool) -> Report:
        is_ready = not is_draining and not any(
            reason and self._checks[name].is_required for name, reason in reasons.items()
        )
        checks = {name: reason or _OK for name, reason in reasons.items()} | {"draining": is_draining}
        status = ("degraded" if any(reasons.values()) else "ready") if is_ready else "unavailable"
        return Report(200 if is_ready else 503, {"status": status, "checks": checks})
