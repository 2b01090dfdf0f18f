"""The proxy's own responses when there is none from the upstream, in the form of the protocol.

Registries answer errors as {"errors": [...]} (distribution-spec, "Error Codes"), ChartMuseum as
{"error": "..."}.
"""

import json
from http import HTTPStatus
from typing import Final

from aiohttp import web

from sidecar.model.admission import Denied
from sidecar.model.errors import SidecarError
from sidecar.model.operation import is_registry_path
from sidecar.proxy.headers import RawHeader
from sidecar.proxy.relay import RelayedResponse, taken

_RETRY_AFTER_S: Final = 2


class Refused(SidecarError):
    """The request cannot be forwarded, or got no response."""

    def __init__(
        self, message: str, *, status: int, code: str = "UNAVAILABLE", retry_after_s: int | None = None
    ) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.message = message
        self.status = status
        self.code = code


def no_memory_left() -> Refused:
    """A new request when other requests have taken all memory (limits.client_memory)."""
    return Refused(
        "too much is under way right now; try again later",
        status=503,
        code="TOOMANYREQUESTS",
        retry_after_s=_RETRY_AFTER_S,
    )


def denial(denied: Denied) -> Refused:
    """A write that is not forwarded."""
    return Refused(denied.message, status=denied.status, code=denied.code)


async def refuse(request: web.BaseRequest, refused: Refused) -> web.StreamResponse:
    """The response when the upstream gave none."""
    body = refusal_body(refused, is_registry=is_registry_path(request.raw_path))
    response = RelayedResponse(
        status=refused.status, reason=_phrase(refused), headers=_headers(refused, body)
    )
    if not request.content.is_eof():
        response.force_close()
    await taken(response.prepare(request))
    if request.method != "HEAD":
        await taken(response.write(body))
    await taken(response.write_eof())
    return response


def whole_refusal(refused: Refused) -> bytes:
    """An answer as it goes over the wire, for a connection that has no request."""
    body = refusal_body(refused, is_registry=True)
    lines = [f"HTTP/1.1 {refused.status} {_phrase(refused)}".encode()]
    lines += [name + b": " + value for name, value in (*_headers(refused, body), (b"Connection", b"close"))]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _phrase(refused: Refused) -> str:
    try:
        return HTTPStatus(refused.status).phrase
    except ValueError:  # a status without a name
        return ""


def _headers(refused: Refused, body: bytes) -> list[RawHeader]:
    headers: list[RawHeader] = [
        (b"Content-Type", b"application/json; charset=utf-8"),
        (b"Content-Length", str(len(body)).encode()),
    ]
    if refused.retry_after_s is not None:
        headers.append((b"Retry-After", str(refused.retry_after_s).encode()))
    return headers


def refusal_body(refused: Refused, *, is_registry: bool) -> bytes:
    if is_registry:
        entry = {"code": refused.code, "message": refused.message, "detail": None}
        return json.dumps({"errors": [entry]}).encode()
    return json.dumps({"error": refused.message}).encode()
