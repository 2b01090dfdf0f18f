"""Keeps a few parser processes, and gives each one job at a time.

A process is started when there is a job, killed when a job exceeds a limit, and replaced
at the next job. Callers wait in a bounded queue, taking turns. Nothing here raises because of
the input: failing to parse it is a value.
"""

import asyncio
import contextlib
import json
import os
import sys
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import structlog

from sidecar.parsing.process import LENGTH

log = structlog.get_logger()

_PIECE_BYTES: Final = 256 * 1024
_LARGEST_ANSWER_BYTES: Final = 1024 * 1024
#: The environment variables that Python needs to start; a parser gets no others.
_ENVIRONMENT: Final = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "LC_CTYPE")


class Reading(StrEnum):
    """How one job ended."""

    READ = "read"
    NOT_UNDERSTOOD = "not_understood"  #: the parser said so
    EXCEEDED = "exceeded"  #: it exceeded a limit, and its process was killed
    NOT_TRIED = "not_tried"  #: the queue was full, the wait too long, or no process could be started


@dataclass(frozen=True, slots=True, kw_only=True)
class ParserLimits:
    """Limits of one job, and of the queue."""

    processes: int = 2
    cpu_s: float = 1.0  #: processor time of one job
    job_s: float = 10.0  #: wall-clock time of one job, for a busy machine
    wait_s: float = 5.0  #: in the queue
    most_waiting: int = 64  #: jobs of all callers
    most_waiting_of_one: int = 16
    memory_bytes: int = 512 << 20  #: address space of one process


@dataclass(slots=True)
class _Queue:
    """Callers waiting for a process; those of different origin take turns."""

    limits: ParserLimits
    waiting: "OrderedDict[str, deque[asyncio.Future[None]]]" = field(default_factory=OrderedDict)

    def join(self, asked_by: str) -> "asyncio.Future[None] | None":
        """A turn to wait for; None when the queue is full."""
        if sum(map(len, self.waiting.values())) >= self.limits.most_waiting:
            return None
        line = self.waiting.setdefault(asked_by, deque())
        if len(line) >= self.limits.most_waiting_of_one:
            return None
        turn = asyncio.get_running_loop().create_future()
        line.append(turn)
        return turn

    def leave(self, asked_by: str, turn: "asyncio.Future[None]") -> None:
        line = self.waiting.get(asked_by)
        if line and turn in line:
            line.remove(turn)
        if not line:
            self.waiting.pop(asked_by, None)

    def call_next(self) -> bool:
        """Let the next caller continue; False when there is none."""
        while self.waiting:
            asked_by, line = next(iter(self.waiting.items()))
            turn = line.popleft()
            self.waiting.move_to_end(asked_by)
            if not line:
                del self.waiting[asked_by]
            if not turn.done():
                turn.set_result(None)
                return True
        return False


class ParserPool:
    """Parser processes; `close` at the end."""

    def __init__(
        self,
        limits: ParserLimits | None = None,
        *,
        on_read: Callable[[str, Reading], None] = lambda _kind, _reading: None,
    ) -> None:
        """`on_read` is called with the kind of each job and how it ended."""
        self._limits = limits or ParserLimits()
        self._on_read = on_read
        self._queue = _Queue(self._limits)
        self._free = self._limits.processes
        self._idle: list[asyncio.subprocess.Process] = []
        self._is_closed = False

    async def run(
        self,
        kind: str,
        payload: bytes | bytearray | Iterable[bytes],
        options: Mapping[str, Any],
        *,
        asked_by: str = "",
    ) -> dict[str, Any] | None:
        """The result of a kind's function for the payload, given whole or in pieces; None when it fails.

        asked_by   the origin of the job: different origins take turns
        """
        reading, answer = Reading.NOT_TRIED, None
        try:
            if await self._wait_for_turn(asked_by):
                try:
                    reading, answer = await self._read(kind, payload, options)
                finally:
                    self._give_back_turn()
        finally:
            self._on_read(kind, reading)
        if reading is not Reading.READ:
            log.info("parsing.given_up", kind=kind, result=reading)
        return answer

    async def close(self) -> None:
        self._is_closed = True
        for process in self._idle:
            _kill(process)
        for process in self._idle:
            await process.wait()
        self._idle.clear()

    # Turns

    async def _wait_for_turn(self, asked_by: str) -> bool:
        if self._is_closed:
            return False
        if self._free:
            self._free -= 1
            return True
        if (turn := self._queue.join(asked_by)) is None:
            return False
        try:
            async with asyncio.timeout(self._limits.wait_s):
                await turn
        except TimeoutError:
            return self._has_turn(turn)
        except asyncio.CancelledError:
            if self._has_turn(turn):
                self._give_back_turn()
            raise
        finally:
            self._queue.leave(asked_by, turn)
        return True

    @staticmethod
    def _has_turn(turn: "asyncio.Future[None]") -> bool:
        return turn.done() and not turn.cancelled()

    def _give_back_turn(self) -> None:
        if not self._queue.call_next():
            self._free += 1

    # Processes

    async def _read(
        self, kind: str, payload: bytes | bytearray | Iterable[bytes], options: Mapping[str, Any]
    ) -> tuple[Reading, dict[str, Any] | None]:
        process = await self._process()
        if process is None:
            return Reading.NOT_TRIED, None
        is_sound = False
        try:
            async with asyncio.timeout(self._limits.job_s):
                answer = await _ask(process, kind, payload, options)
            is_sound = True
        except (TimeoutError, OSError, EOFError):
            return Reading.EXCEEDED, None
        finally:
            if is_sound and not self._is_closed:
                self._idle.append(process)
            else:
                await _end(process)
        return (Reading.NOT_UNDERSTOOD, None) if "error" in answer else (Reading.READ, answer)

    async def _process(self) -> asyncio.subprocess.Process | None:
        """An idle process, or a new one."""
        while self._idle:
            process = self._idle.pop()
            if process.returncode is None:
                return process
        try:
            return await _start(self._limits)
        except OSError as exc:
            log.warning("parsing.not_started", error=str(exc))
            return None


async def _start(limits: ParserLimits) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sidecar.parsing", str(limits.cpu_s), str(limits.memory_bytes)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
        start_new_session=True,  # a Ctrl-C at the terminal is for the program, which ends this one
    )


async def _ask(
    process: asyncio.subprocess.Process,
    kind: str,
    payload: bytes | bytearray | Iterable[bytes],
    options: Mapping[str, Any],
) -> dict[str, Any]:
    assert process.stdin
    assert process.stdout
    pieces: list[bytes | bytearray] = [payload] if isinstance(payload, bytes | bytearray) else list(payload)
    head = _frame(kind.encode()) + _frame(json.dumps(options).encode())
    process.stdin.write(head + LENGTH.pack(sum(map(len, pieces))))
    for piece in pieces:
        view = memoryview(piece)
        for start in range(0, len(view), _PIECE_BYTES):
            process.stdin.write(view[start : start + _PIECE_BYTES])
            await process.stdin.drain()
    (size_bytes,) = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))
    if size_bytes > _LARGEST_ANSWER_BYTES:
        raise EOFError
    answer = json.loads(await process.stdout.readexactly(size_bytes))
    assert isinstance(answer, dict)
    return answer


def _frame(content: bytes) -> bytes:
    return LENGTH.pack(len(content)) + content


async def _end(process: asyncio.subprocess.Process) -> None:
    _kill(process)
    await process.wait()


def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
