"""The parser process: reads jobs from standard input, writes results to standard output.

It sets its own kernel limits before it reads a byte: processor time for each job, memory, no
files. It exits at the end of its input, so it outlives the program that started it by at most one
job. A job that exceeds a limit kills the process; the pool starts another.

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
#: Low enough not to slow the relay, high enough not to starve on a busy machine.
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
        # The default action of SIGPROF kills the process, even inside C code.
        signal.setitimer(signal.ITIMER_PROF, cpu_s)
        answer = _answer(kind.decode(), json.loads(options), payload)
        signal.setitimer(signal.ITIMER_PROF, 0)
        answers.write(LENGTH.pack(len(answer)) + answer)
        answers.flush()


def _answer(kind: str, options: dict[str, Any], payload: bytes) -> bytes:
    """The result as JSON; `null` for input that is not understood."""
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
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))  # no more files can be opened; open ones stay usable


def _read_frame(source: BinaryIO) -> bytes | None:
    """None at the end."""
    head = source.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (size_bytes,) = LENGTH.unpack(head)
    content = source.read(size_bytes)
    return content if len(content) == size_bytes else None
