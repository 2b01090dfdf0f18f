"""Which operation a request is: its method and path, and of a blob write what else its head says."""

from aiohttp import web

from sidecar.model.operation import Operation, Routes, WriteBlob, parse_operation
from sidecar.model.upload import upload_as_sent
from sidecar.proxy.headers import text_of


def operation_of(request: web.BaseRequest, target: str, routes: Routes) -> Operation:
    """`target` is path and query, as on the wire."""
    path, _, query = target.partition("?")
    operation = parse_operation(request.method, path, routes)
    if not isinstance(operation, WriteBlob):
        return operation
    headers = request.raw_headers
    return upload_as_sent(
        operation,
        query=query,
        content_length=request.content_length if request.body_exists else 0,
        content_range=text_of(headers, b"content-range"),
        content_type=text_of(headers, b"content-type"),
        default_project=routes.default_project,
    )
