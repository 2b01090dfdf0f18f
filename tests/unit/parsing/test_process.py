"""The parser process on its own: what comes by its input, what leaves by its output, what it may do."""

import json
import signal
import subprocess
import sys

from sidecar.parsing.process import LENGTH
from tests.unit.charts.test_index import DIGEST, INDEX


def _frames(*contents: bytes) -> bytes:
    return b"".join(LENGTH.pack(len(content)) + content for content in contents)


def _job(payload: bytes, kind: bytes = b"chart-index") -> bytes:
    return _frames(kind, json.dumps({"digests": [DIGEST]}).encode(), payload)


def _run(
    jobs: bytes, *, cpu_s: float = 5, memory_bytes: int = 1 << 29
) -> tuple[int, list[dict[str, object]]]:
    command = (sys.executable, "-m", "sidecar.parsing", str(cpu_s), str(memory_bytes))
    done = subprocess.run(command, input=jobs, capture_output=True, timeout=60, check=False)
    answers, rest = [], done.stdout
    while rest:
        (size,) = LENGTH.unpack(rest[: LENGTH.size])
        answers.append(json.loads(rest[LENGTH.size : LENGTH.size + size]))
        rest = rest[LENGTH.size + size :]
    return done.returncode, answers


def test_jobs_are_answered_in_order_until_the_input_ends() -> None:
    status, answers = _run(_job(INDEX) + _job(b"no json") + _job(b"{}") + _job(b"", kind=b"unknown"))
    assert status == 0
    assert [answer.get("error") for answer in answers] == [None, "JSONDecodeError", None, "KeyError"]


def test_processor_time_is_bounded_by_the_kernel_for_each_job() -> None:
    large = b"[" + b"{}," * 3_000_000 + b"1]"
    status, answers = _run(_job(INDEX) + _job(large) + _job(INDEX), cpu_s=0.05, memory_bytes=2 << 30)
    assert status == -signal.SIGPROF
    assert len(answers) == 1


def test_memory_is_bounded() -> None:
    large = b"[" + b"{}," * 5_000_000 + b"1]"
    _, answers = _run(_job(large) + _job(INDEX), cpu_s=30, memory_bytes=128 << 20)
    assert not any("found" in answer for answer in answers[:1])


def test_half_a_job_is_the_end() -> None:
    assert _run(_job(INDEX)[:-1]) == (0, [])
