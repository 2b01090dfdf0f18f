"""The process that reads: jobs come by standard input, answers leave by standard output.

Its limits are the kernel's, set by itself before it reads a byte: processor time for each job, memory, no
files. It ends when its input does, so it never outlives the program that started it by more than one
job. A job that goes beyond a limit ends the process; the pool starts another.

A job is three frames (kind, options as JSON, payload), an answer one (JSON); a frame is its length in
four bytes and its content.
"""

import json
import os
import resource
import signal
import struct
import sys
from typing import Any, BinaryIO, Final

from sidecar.parsing.kinds import KINDS

LENGTH: Final = struct.Struct(">I")
#: Polite to the relay, which is to notice nothing, and not starved on a busy machine.
_NICE: Final = 10
_LARGEST_ANSWER_BYTES: Final = 256 * 1024


def main() -> None:
    cpu_s, memory_bytes = float(sys.argv[1]), int(sys.argv[2])
    _limit(memory_bytes)
    jobs, answers = sys.stdin.buffer, sys.stdout.buffer
    while (kind := _read_frame(jobs)) is not None:
        options, payload = _read_frame(jobs), _read_frame(jobs)
        if options is None or payload is None:
            return
        # The default action of SIGPROF ends the process, in whatever line of C it is.
        signal.setitimer(signal.ITIMER_PROF, cpu_s)
        answer = _answer(kind.decode(), json.loads(options), payload)
        signal.setitimer(signal.ITIMER_PROF, 0)
        answers.write(LENGTH.pack(len(answer)) + answer)
        answers.flush()


def _answer(kind: str, options: dict[str, Any], payload: bytes) -> bytes:
    """What was read, as JSON; `null` for what is not understood."""
    try:
        answer = json.dumps(KINDS[kind](payload, options)).encode()
    except Exception as exc:  # noqa: BLE001  # strangers' bytes: whatever is raised, the next job must go on
        return json.dumps({"error": type(exc).__name__}).encode()
    return answer if len(answer) <= _LARGEST_ANSWER_BYTES else b'{"error":"TooLarge"}'


def _limit(memory_bytes: int) -> None:
    os.nice(_NICE)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))  # nothing more is opened; what is open stays


def _read_frame(source: BinaryIO) -> bytes | None:
    """None at the end."""
    head = source.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (size_bytes,) = LENGTH.unpack(head)
    content = source.read(size_bytes)
    return content if len(content) == size_bytes else None
