"""What is written down of a refusal."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.process import ROOT
from tests.support.refusals.asking import Answer, Write

FOLDER = ROOT / "tests" / "golden" / "refusals"
Record = dict[str, Any]
#: Said anew with every answer.
LEFT_OUT = frozenset({"date", "x-request-id"})
NEUTRAL_ROOT = "/var/lib/registry"
BAD_REQUEST = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusingServer:
    """What a server says in one state; `root` is its folder, in whose place a usual one is written."""

    server: str
    state: str
    is_quota: bool = False
    root: Path | None = None

    def refused(self, answers: Iterable[tuple[Write, Answer]]) -> Iterator[Record]:
        for write, answer in answers:
            if answer.status >= BAD_REQUEST:
                yield self._record(write, answer)

    def _record(self, write: Write, answer: Answer) -> Record:
        headers = {name: value for name, value in answer.headers.items() if name.lower() not in LEFT_OUT}
        body = answer.body.replace(str(self.root), NEUTRAL_ROOT) if self.root else answer.body
        if "Content-Length" in headers:
            headers["Content-Length"] = str(len(body.encode()))
        return {
            "server": self.server,
            "when": "; ".join(filter(None, (self.state, write.variant))),
            "operation": write.operation,
            "status": answer.status,
            "headers": headers,
            "body": body,
            "is_quota": self.is_quota,
        }


def write(name: str, records: Iterable[Record]) -> None:
    text = json.dumps(list(records), indent=1, ensure_ascii=False)
    (FOLDER / f"{name}.json").write_text(text + "\n")


def read(name: str) -> list[Record]:
    documents: list[Record] = json.loads((FOLDER / f"{name}.json").read_text())
    return documents


#: Upload sessions and temporary files, and what ChartMuseum took first from a form: a chart or its provenance.
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
FIRST_OF_A_FORM = re.compile(r"\.tgz(?:\.prov)?:")
NGINX = re.compile(r"nginx/[0-9.]+")


def without_chance(refusal: Record) -> Record:
    """The same from one recording to the next, also of the next version."""
    headers = {name: NGINX.sub("nginx", value) for name, value in refusal["headers"].items()}
    headers.pop("Content-Length", None)
    server = refusal["server"].rpartition(" v")[0] or NGINX.sub("nginx", refusal["server"])
    body = NGINX.sub("nginx", UUID.sub("UUID", refusal["body"]))
    body = FIRST_OF_A_FORM.sub(".tgz:", body)
    return {**refusal, "server": server, "headers": headers, "body": body}
