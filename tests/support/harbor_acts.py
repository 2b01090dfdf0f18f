"""Requests that clients made of a running Harbor, with what it answered, and the webhooks that it sent for them.

The recordings are kept outside this repository (`ACTS`, `WEBHOOKS`). `replay` plays an act again: a client
sends its requests in their order, an upstream answers as Harbor did.
"""

import http.client
import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.receiver import Answer, Received, Receiver

Json = dict[str, Any]
RECORDED = Path(__file__).parents[3] / "shared" / "fixtures" / "harbor-2.16"
ACTS, WEBHOOKS = RECORDED / "acts", RECORDED / "webhooks"

REFUSED = 403
#: nginx's word for a client that did not wait for its answer.
CLIENT_LEFT = 499
#: Tokens are fetched from Harbor's own address, which the registry's 401 names.
_TOKENS = "/service/token"
_JSON = "application/json; charset=utf-8"
_OF_THE_CONNECTION = frozenset({"connection", "content-length", "date"})
#: In place of bodies of requests.
ANOTHER_BODY = b"what was sent is not recorded"
_TIMEOUT_S = 20


def quota_body(message: str) -> bytes:
    """What Harbor 2 refuses with for lack of storage."""
    return (
        json.dumps({"errors": [{"code": "DENIED", "message": message}]}, separators=(",", ":")).encode()
        + b"\n"
    )


@dataclass(frozen=True, slots=True)
class Act:
    name: str
    requests: tuple[Json, ...]  #: those of the registry
    last_result: Any

    @property
    def refused(self) -> list[Json]:
        """The requests that Harbor refused for lack of storage."""
        return [request for request in self.requests if request["status"] == REFUSED]

    @property
    def refusal(self) -> bytes:
        """The body of the refusal: as recorded, or where only the client's words were, the one with its reason."""
        match self.last_result:
            case {"body": str(body)} | [_, str(body)]:
                return body.encode()
            case {"out": str(words)}:
                (reason,) = re.findall(
                    r"denied: ((?:adding|subtracting) .*? upper limit of .*?\.)\n", _plain(words)
                )
                return quota_body(reason)
            case _:
                raise AssertionError(f"{self.name}: {self.last_result}")

    @property
    def refusal_headers(self) -> Json:
        """Those that were recorded, without the connection's own."""
        match self.last_result:
            case {"headers": headers}:
                return {name: value for name, value in headers if name.lower() not in _OF_THE_CONNECTION}
            case _:
                return {"Content-Type": _JSON}


def _plain(words: str) -> str:
    """What a client printed, in one spelling and without quotes of its own (skopeo's log line)."""
    return words.replace("DENIED:", "denied:").removesuffix('"\n').removesuffix("\n") + "\n"


def read_act(name: str) -> Act:
    record = json.loads((ACTS / f"{name}.json").read_text())
    requests = tuple(told for told in record["requests"] if not told["path"].startswith(_TOKENS))
    return Act(name=name, requests=requests, last_result=record["last_result"])


def webhooks(act: str, target: str) -> list[Json]:
    """The deliveries of an act to one of Harbor's targets: default, ce or slack."""
    found = [json.loads(path.read_text()) for path in sorted(WEBHOOKS.glob(f"{act}-*.json"))]
    return [record for record in found if record["act"] == act and record["target"] == target]


@dataclass
class Harbor:
    """What the upstream answers; `Receiver(harbor.respond)` listens."""

    _answers: dict[tuple[str, str], deque[Answer]] = field(default_factory=lambda: defaultdict(deque))

    def expect(self, method: str, path: str, answer: Answer) -> None:
        self._answers[method, path].append(answer)

    def respond(self, request: Received) -> Answer:
        waiting = self._answers[request.method, request.path]
        return waiting.popleft() if waiting else Answer(status=418, body=b"not in the recording")

    def follow(self, act: Act) -> None:
        for request in act.requests:
            self.expect(request["method"], request["path"], _answer(request, act))


def _answer(request: Json, act: Act) -> Answer:
    status = request["status"]
    if status == CLIENT_LEFT:
        return Answer(status=201, delay_s=1)
    headers = {"Content-Type": request["response_type"], "Docker-Content-Digest": request["response_digest"]}
    headers["X-Request-Id"] = request["request_id"]
    if status == REFUSED:
        headers |= act.refusal_headers
        return Answer(
            status=status, headers=headers | {"X-Request-Id": request["request_id"]}, body=act.refusal
        )
    if status == 202:
        headers["Location"] = f"{request['path'].partition('?')[0].rstrip('/')}/next"
    body = (
        b'{"errors":[{"code":"UNAUTHORIZED","message":"unauthorized: unauthorized"}]}\n'
        if status == 401
        else b""
    )
    return Answer(status=status, headers={name: value for name, value in headers.items() if value}, body=body)


def _credentials(kind: str) -> Mapping[str, str]:
    match kind:
        case "Basic":
            return {"Authorization": f"Basic {b64encode(b'admin:Harbor12345').decode()}"}
        case "Bearer":  # as Harbor's token service issues them
            claims = json.dumps({"iss": "harbor-token-issuer", "sub": "admin"}).encode()
            return {"Authorization": f"Bearer e30.{urlsafe_b64encode(claims).decode().rstrip('=')}.c2ln"}
        case _:
            return {}


def replay(act: Act, port: int, upstream: Receiver, *, address: str) -> list[tuple[int, bytes]]:
    """Send the requests of an act, one after the other; the answers.

    address   of its client, as a proxy in front tells it
    """
    return [_send(request, port, upstream, address) for request in act.requests]


def _send(request: Json, port: int, upstream: Receiver, address: str) -> tuple[int, bytes]:
    headers = {"User-Agent": request["user_agent"], "X-Forwarded-For": address}
    if request["content_type"]:
        headers["Content-Type"] = request["content_type"]
    body = ANOTHER_BODY if request["method"] in {"PATCH", "PUT"} and request["content_type"] else None
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
    arrived = len(upstream.requests)
    connection.request(
        request["method"], request["path"], body, headers | dict(_credentials(request["has_auth"]))
    )
    try:
        if request["status"] == CLIENT_LEFT:
            upstream.wait_for(arrived + 1)
            return CLIENT_LEFT, b""
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
