"""A store that speaks as much of S3 as the driver of a registry asks, and can be told to take nothing more.

with S3Double() as store, Registry(tmp_path, settings={"storage": store.registry_storage}) as registry:
    store.refusal = MINIO_FULL

It stands in for stores that this project's tests cannot install. What it answers is theirs: status, code
and message of each Refusal name their source. Signatures are not checked.
"""

import hashlib
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote
from xml.sax.saxutils import escape

from aiohttp import web

from tests.support.receiver import Double

BUCKET = "registry"
WRITTEN = "2026-01-02T03:04:05.000Z"
WRITTEN_HTTP = "Fri, 02 Jan 2026 03:04:05 GMT"
#: What needs room. To start, complete or abort an upload of many parts and to delete does not: MinIO
#: RELEASE.2025-09-07 cmd/erasure-server-pool.go (getPoolIdx) and cmd/bucket-quota.go (enforceQuotaHard).
NEEDS_ROOM = frozenset({"PutObject", "CopyObject", "UploadPart", "UploadPartCopy"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    status: int
    code: str
    message: str


#: MinIO RELEASE.2025-09-07, cmd/api-errors.go: ErrStorageFull.
MINIO_FULL = Refusal(
    status=507,
    code="XMinioStorageFull",
    message="Storage backend has reached its minimum free drive threshold."
    " Please delete a few objects to proceed.",
)
#: The same file: ErrAdminBucketQuotaExceeded.
MINIO_QUOTA = Refusal(status=400, code="XMinioAdminBucketQuotaExceeded", message="Bucket quota exceeded")
#: Ceph, src/rgw/rgw_common.cc: ERR_QUOTA_EXCEEDED, which has no message of its own.
CEPH_QUOTA = Refusal(status=403, code="QuotaExceeded", message="")
#: Scaleway Object Storage, as its users quote it.
SCALEWAY_QUOTA = Refusal(
    status=403,
    code="QuotaExceeded",
    message="Quota exceeded. Please contact support to upgrade your quotas.",
)
#: Garage, src/api/s3/put.rs, check_quotas: the code is that of any refusal, only the message says why.
GARAGE_QUOTA = Refusal(
    status=403,
    code="AccessDenied",
    message="Forbidden: Bucket size quota is reached, maximum total size of objects for this bucket: 52428800."
    " The bucket is already 52428000 bytes, and this object would add 1048576 bytes.",
)
#: Amazon S3, "Error responses": these three are no lack of storage.
SLOW_DOWN = Refusal(status=503, code="SlowDown", message="Please reduce your request rate.")
ACCESS_DENIED = Refusal(status=403, code="AccessDenied", message="Access Denied")
TOO_LARGE = Refusal(
    status=400, code="EntityTooLarge", message="Your proposed upload exceeds the maximum allowed size"
)


@dataclass(slots=True)
class Upload:
    """An upload of many parts that is not complete."""

    key: str
    parts: dict[int, bytes]


class S3Double(Double):
    """One bucket. `refusal` is the answer to each of the operations in `refused`, named as S3 names them."""

    def __init__(self) -> None:
        self.refusal: Refusal | None = None
        self.refused: frozenset[str] = NEEDS_ROOM
        self.asked: list[str] = []  #: operations, in order, refused ones too
        self.objects: dict[str, bytes] = {}
        self._uploads: dict[str, Upload] = {}
        self._serial = itertools.count(1)

    def application(self) -> web.Application:
        application = web.Application(client_max_size=256 << 20)
        application.router.add_route("*", "/{path:.*}", self._answer)
        return application

    @property
    def registry_storage(self) -> dict[str, Any]:
        """The section storage of a registry's configuration, of 2.8 and of v3."""
        s3 = {
            "regionendpoint": f"http://127.0.0.1:{self._server.port}",
            "region": "us-east-1",
            "bucket": BUCKET,
            "accesskey": "key",
            "secretkey": "secret",
            "secure": False,
            "forcepathstyle": True,
        }
        return {"s3": s3, "delete": {"enabled": True}}

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        operation = _operation_of(request)
        self.asked.append(operation)
        key = unquote(request.raw_path.partition("?")[0]).removeprefix(f"/{BUCKET}").lstrip("/")
        body = await request.read()
        if self.refusal and operation in self.refused:
            return self._error(self.refusal, key)
        if operation == "ListObjects":
            return self._listed(request)
        if operation in ("ListMultipartUploads", "ListParts", "CreateMultipartUpload"):
            return self._about_uploads(operation, key, request)
        if upload_id := request.query.get("uploadId"):
            return self._of_upload(operation, upload_id, body, request)
        return self._of_object(operation, key, body, request)

    def _error(self, refusal: Refusal, key: str) -> web.Response:
        names = {"Key": key, "BucketName": BUCKET, "Resource": f"/{BUCKET}/{key}", "RequestId": "17F0C3A9E1"}
        content = {"Code": refusal.code, "Message": refusal.message, **names, "HostId": "host"}
        answer = _xml("Error", _elements(content), status=refusal.status)
        answer.headers["x-amz-request-id"] = names["RequestId"]
        return answer

    def _of_object(self, operation: str, key: str, body: bytes, request: web.Request) -> web.Response:
        if operation == "DeleteObjects":
            for name in body.decode().split("<Key>")[1:]:
                self.objects.pop(name.partition("</Key>")[0], None)
            return _xml("DeleteResult", "")
        if operation == "DeleteObject":
            self.objects.pop(key, None)
            return web.Response(status=204)
        if operation in ("PutObject", "CopyObject"):
            self.objects[key] = body if operation == "PutObject" else self._source_of(request)
            tag = _tag_of(self.objects[key])
            if operation == "CopyObject":
                return _xml("CopyObjectResult", _elements({"ETag": tag, "LastModified": WRITTEN}))
            return web.Response(headers={"ETag": tag})
        return self._got(key, request)

    def _got(self, key: str, request: web.Request) -> web.Response:
        if key not in self.objects:
            return self._error(Refusal(status=404, code="NoSuchKey", message="No such key."), key)
        whole = self.objects[key]
        headers = {"ETag": _tag_of(whole), "Last-Modified": WRITTEN_HTTP}
        content, status = _range_of(whole, request.headers.get("Range", ""))
        if request.method == "HEAD":
            return web.Response(headers=headers | {"Content-Length": str(len(content))})
        return web.Response(status=status, headers=headers, body=content)

    def _source_of(self, request: web.Request) -> bytes:
        key = unquote(request.headers["x-amz-copy-source"]).lstrip("/").removeprefix(f"{BUCKET}/")
        return _range_of(self.objects[key], request.headers.get("x-amz-copy-source-range", ""))[0]

    def _listed(self, request: web.Request) -> web.Response:
        prefix, delimiter = request.query.get("prefix", ""), request.query.get("delimiter", "")
        after = request.query.get("start-after", "")
        folders: dict[str, None] = {}
        found: list[str] = []
        for key in sorted(key for key in self.objects if key.startswith(prefix) and key > after):
            folder, separator, _ = key.removeprefix(prefix).partition(delimiter or "\n")
            if separator:
                folders[prefix + folder + separator] = None
            else:
                found.append(key)
        found = found[: int(request.query.get("max-keys", "1000"))]
        items = [
            {"Key": key, "Size": len(self.objects[key]), "LastModified": WRITTEN, "ETag": "e"}
            for key in found
        ]
        counted = _elements(
            {"Name": BUCKET, "Prefix": prefix, "IsTruncated": "false", "KeyCount": len(found)}
        )
        listed = (
            counted + _each("Contents", items) + _each("CommonPrefixes", [{"Prefix": f} for f in folders])
        )
        return _xml("ListBucketResult", listed)

    def _about_uploads(self, operation: str, key: str, request: web.Request) -> web.Response:
        if operation == "CreateMultipartUpload":
            upload_id = f"upload-{next(self._serial)}"
            self._uploads[upload_id] = Upload(key, {})
            names = {"Bucket": BUCKET, "Key": key, "UploadId": upload_id}
            return _xml("InitiateMultipartUploadResult", _elements(names))
        if operation == "ListParts":
            parts = self._uploads[request.query["uploadId"]].parts
            items = [
                {"PartNumber": number, "ETag": _tag_of(part), "Size": len(part), "LastModified": WRITTEN}
                for number, part in sorted(parts.items())
            ]
            return _xml("ListPartsResult", _elements({"IsTruncated": "false"}) + _each("Part", items))
        prefix = request.query.get("prefix", "")
        uploads = [
            {"Key": upload.key, "UploadId": name, "Initiated": WRITTEN}
            for name, upload in self._uploads.items()
            if upload.key.startswith(prefix)
        ]
        listed = _elements({"IsTruncated": "false"}) + _each("Upload", uploads)
        return _xml("ListMultipartUploadsResult", listed)

    def _of_upload(self, operation: str, upload_id: str, body: bytes, request: web.Request) -> web.Response:
        upload = self._uploads.get(upload_id)
        if upload is None:
            return self._error(Refusal(status=404, code="NoSuchUpload", message="No such upload."), "")
        if operation in ("UploadPart", "UploadPartCopy"):
            part = body if operation == "UploadPart" else self._source_of(request)
            upload.parts[int(request.query["partNumber"])] = part
            if operation == "UploadPartCopy":
                return _xml("CopyPartResult", _elements({"ETag": _tag_of(part), "LastModified": WRITTEN}))
            return web.Response(headers={"ETag": _tag_of(part)})
        del self._uploads[upload_id]
        if operation == "AbortMultipartUpload":
            return web.Response(status=204)
        self.objects[upload.key] = b"".join(part for _, part in sorted(upload.parts.items()))
        tag = _tag_of(self.objects[upload.key])
        return _xml("CompleteMultipartUploadResult", _elements({"Key": upload.key, "ETag": tag}))


#: The first whose method it is, and whose parameter is in the query, when it names one.
_OPERATIONS = (
    ("GET", "uploads", "ListMultipartUploads"),
    ("GET", "uploadId", "ListParts"),
    ("GET", "list-type", "ListObjects"),  # version 2
    ("GET", "prefix", "ListObjects"),  # version 1
    ("POST", "uploads", "CreateMultipartUpload"),
    ("POST", "uploadId", "CompleteMultipartUpload"),
    ("POST", "delete", "DeleteObjects"),
    ("PUT", "partNumber", "UploadPart"),
    ("PUT", "", "PutObject"),
    ("DELETE", "uploadId", "AbortMultipartUpload"),
    ("DELETE", "", "DeleteObject"),
    ("HEAD", "", "HeadObject"),
    ("GET", "", "GetObject"),
)


def _operation_of(request: web.Request) -> str:
    """What S3 calls it; a copy is told by the header that names its source."""
    name = next(
        operation
        for method, parameter, operation in _OPERATIONS
        if request.method == method and (not parameter or parameter in request.query)
    )
    if "x-amz-copy-source" not in request.headers:
        return name
    return {"PutObject": "CopyObject", "UploadPart": "UploadPartCopy"}[name]


def _range_of(content: bytes, asked: str) -> tuple[bytes, int]:
    """What a Range header asks for, and the status that goes with it."""
    if not asked:
        return content, 200
    first, _, last = asked.removeprefix("bytes=").partition("-")
    return content[int(first) : int(last) + 1 if last else None], 206


def _tag_of(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


def _elements(content: dict[str, Any]) -> str:
    return "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in content.items())


def _each(name: str, items: Iterable[dict[str, Any]]) -> str:
    return "".join(f"<{name}>{_elements(item)}</{name}>" for item in items)


def _xml(root: str, content: str, *, status: int = 200) -> web.Response:
    document = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root}>{content}</{root}>'
    return web.Response(status=status, text=document, content_type="application/xml")
