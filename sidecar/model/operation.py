"""Which registry or chart operation a method and a path mean.

The paths are matched from the right, because repository names contain slashes and may contain the
words `manifests` and `blobs` themselves. Anything else is `Other`: it is only relayed, never
examined. Sources: distribution-spec "Endpoints"; ChartMuseum pkg/chartmuseum/router.
"""

from dataclasses import dataclass
from enum import StrEnum
from posixpath import normpath
from typing import Final
from urllib.parse import quote, unquote

from sidecar.model.defaults import DEFAULT_PROJECT
from sidecar.model.errors import NameInvalid
from sidecar.model.names import Digest, Reference, Repository, parse_digest, parse_reference, parse_repository
from sidecar.model.names import repository_of as _repository_of

REGISTRY_PREFIX: Final = "/v2/"

#: Any number of tenant segments, as ChartMuseum's --depth-dynamic.
DYNAMIC: Final = -1


@dataclass(frozen=True, slots=True)
class PutManifest:
    repository: Repository
    reference: Reference


@dataclass(frozen=True, slots=True)
class GetManifest:
    repository: Repository
    reference: Reference


@dataclass(frozen=True, slots=True)
class HeadManifest:
    repository: Repository
    reference: Reference


@dataclass(frozen=True, slots=True)
class DeleteManifest:
    """By digest it deletes the manifest with all its tags; by tag only the tag."""

    repository: Repository
    reference: Reference


@dataclass(frozen=True, slots=True)
class GetBlob:
    repository: Repository
    digest: Digest


@dataclass(frozen=True, slots=True)
class HeadBlob:
    repository: Repository
    digest: Digest


class UploadStep(StrEnum):
    """A step of a blob's upload, by its method."""

    START = "POST"  #: a mount and a whole upload in one request, too
    PIECE = "PATCH"
    END = "PUT"


@dataclass(frozen=True, slots=True)
class WriteBlob:
    """A step of an upload, or a mount; what its head claims of the blob stands in the optional fields (`upload`).

    What is known when, in bytes:

    step                        digest    body_bytes  end_bytes            size_bytes
    POST                        None      of a body that registries ignore; else None
    POST ?mount=                the one that is mounted; no sizes
    POST ?digest= with a body   known     its length  its length           its length
    PATCH                       None      its length  with Content-Range   None
    PUT ?digest=                known     its length  with Content-Range   with Content-Range

    A length is None while a body comes in chunks. A PUT without Content-Range may bring the whole blob or what is left of
    it: only who has seen the upload's other steps knows. Until then the blob has `end_bytes`, or else `body_bytes`, at least.
    """

    repository: Repository
    step: UploadStep
    digest: Digest | None = None  #: of the whole blob
    body_bytes: int | None = None  #: of this request; 0 when it has no body
    end_bytes: int | None = None  #: of the blob, up to the end of this request's body
    is_mount: bool = False
    mount_source: Repository | None = None  #: None of a mount: from wherever the registry has it

    @property
    def size_bytes(self) -> int | None:
        """Of the whole blob, where this request says it."""
        return None if self.step is UploadStep.PIECE else self.end_bytes


@dataclass(frozen=True, slots=True)
class UploadChart:
    """POST of a chart, raw or as a form; only the bytes have its name."""

    tenant: str  #: "" at depth 0, else segments joined by slashes


@dataclass(frozen=True, slots=True)
class UploadProvenance:
    """POST of a chart's .prov file alone."""

    tenant: str


@dataclass(frozen=True, slots=True)
class DownloadChart:
    tenant: str
    file_name: str  #: ends in .tgz


@dataclass(frozen=True, slots=True)
class DeleteChart:
    tenant: str
    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Ping:
    """GET /v2/: whether there is a registry, and how it authenticates users."""


@dataclass(frozen=True, slots=True)
class Other:
    """Relayed unchanged, raises nothing."""


Operation = (
    PutManifest
    | GetManifest
    | HeadManifest
    | DeleteManifest
    | GetBlob
    | HeadBlob
    | WriteBlob
    | UploadChart
    | UploadProvenance
    | DownloadChart
    | DeleteChart
    | Ping
    | Other
)
#: Operations that change the upstream and raise an event: noted as an intent before they are forwarded.
WriteOperation = PutManifest | DeleteManifest | UploadChart | DeleteChart

_MANIFEST_OPERATIONS: Final[
    dict[str, type[PutManifest] | type[GetManifest] | type[HeadManifest] | type[DeleteManifest]]
] = {
    "PUT": PutManifest,
    "GET": GetManifest,
    "HEAD": HeadManifest,
    "DELETE": DeleteManifest,
}


_BLOB_READS: Final[dict[str, type[GetBlob] | type[HeadBlob]]] = {"GET": GetBlob, "HEAD": HeadBlob}
_UPLOAD_STEPS: Final = {step.value: step for step in UploadStep}


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """The settings that decide how a path is parsed."""

    default_project: str = DEFAULT_PROJECT
    chart_depth: int = 0  #: tenant segments, or DYNAMIC
    chart_context_path: str = ""  #: ChartMuseum's --context-path, "" or "/x"


def is_registry_path(raw_path: str) -> bool:
    """Whether a path, as on the wire, with or without its query, belongs to the registry.

    It is decoded first, as by Go's mux in registries and ChartMuseum. For empty or dot segments the mux redirects
    to the path without them, and that path decides: a path that belongs to the registry never reaches
    the chart repository.
    """
    path = unquote(raw_path.partition("?")[0], errors="surrogateescape")
    if "//" in path or "/." in path:
        path = normpath("/" + path.lstrip("/"))
    return path.startswith(REGISTRY_PREFIX) or path == "/v2"


def parse_operation(method: str, raw_path: str, routes: Routes) -> Operation:
    """What a request means; `raw_path` is as on the wire, without the query."""
    try:
        if not is_registry_path(raw_path):
            return _chart_operation(method, unquote(raw_path), routes)
        path = unquote(raw_path, errors="strict")
        if not path.startswith(REGISTRY_PREFIX):  # answered with a redirect
            return Other()
        if path == REGISTRY_PREFIX:
            return Ping() if method == "GET" else Other()
        return _registry_operation(method, path.removeprefix(REGISTRY_PREFIX), routes)
    except (NameInvalid, UnicodeDecodeError):
        return Other()


def chart_repository_of(tenant: str, chart_name: str, routes: Routes) -> Repository:
    """A chart's repository as Harbor names it: project, the rest of the tenant, the chart.

    For a chart without a name, it is the tenant.
    """
    if not chart_name:
        project, _, rest = tenant.partition("/")
        return Repository(project or routes.default_project, rest, tenant)
    full_name = f"{tenant}/{chart_name}" if tenant else chart_name
    return _repository_of(full_name, default_project=routes.default_project)


def chart_download_path(tenant: str, file_name: str, routes: Routes) -> str:
    """The path of a chart's download; percent-encoded."""
    folder = "".join(f"/{segment}" for segment in _segments(tenant, routes))
    return quote(f"{routes.chart_context_path}{folder}/charts/{file_name}", safe="/+~")


def chart_api_path(tenant: str, *rest: str, routes: Routes) -> str:
    """The path of ChartMuseum's API for a tenant, a chart, or one version; percent-encoded."""
    folder = "".join(f"/{segment}" for segment in ("api", *_segments(tenant, routes)))
    path = quote(f"{routes.chart_context_path}{folder}/charts", safe="/+~")
    return path + "".join(f"/{quote(part, safe='+~')}" for part in rest)


def _segments(tenant: str, routes: Routes) -> list[str]:
    """The segments, padded with empty ones where a tenant is shorter."""
    segments = tenant.split("/") if tenant else []
    return segments + [""] * (routes.chart_depth - len(segments))


def _registry_operation(method: str, path: str, routes: Routes) -> Operation:
    segments = path.split("/")
    if len(segments) >= 3 and segments[-2] == "manifests" and method in _MANIFEST_OPERATIONS:
        repository = _repository(segments[:-2], routes)
        return _MANIFEST_OPERATIONS[method](repository, parse_reference(segments[-1]))
    if len(segments) >= 4 and segments[-3:-1] == ["blobs", "uploads"]:
        return _upload_operation(method, segments[:-3], routes)
    if len(segments) >= 3 and segments[-2] == "blobs" and method in _BLOB_READS:
        return _BLOB_READS[method](_repository(segments[:-2], routes), parse_digest(segments[-1]))
    if len(segments) >= 3 and segments[-2:] == ["blobs", "uploads"]:
        return _upload_operation(method, segments[:-2], routes)
    return Other()


def _upload_operation(method: str, name: list[str], routes: Routes) -> Operation:
    if method in _UPLOAD_STEPS:
        return WriteBlob(_repository(name, routes), _UPLOAD_STEPS[method])
    return Other()


def _repository(segments: list[str], routes: Routes) -> Repository:
    return parse_repository("/".join(segments), default_project=routes.default_project)


def _chart_operation(method: str, path: str, routes: Routes) -> Operation:
    """As ChartMuseum matches its routes (pkg/chartmuseum/router/match.go), including its oddities.

    A context path is cut off without a check of what follows; segments may be empty.
    """
    context = routes.chart_context_path
    if not path.startswith(context):
        return Other()
    path = path[len(context) :]
    is_file = path.endswith((".yaml", ".tgz", ".prov"))
    segments = path.split("/")[1:]
    if path.startswith("/api/") and not is_file:
        return _chart_api_operation(method, segments[1:], routes)
    match method, segments:
        case "GET", [*tenant, "charts", file_name] if is_file and _is_tenant(tenant, routes):
            return DownloadChart(_tenant(tenant), file_name) if file_name.endswith(".tgz") else Other()
        case "DELETE", ["api", "charts", name, version] if is_file and not routes.chart_depth:
            return DeleteChart(
                "", name, version
            )  # a version may end in .tgz; at other depths it is not found
        case _:
            return Other()


def _chart_api_operation(method: str, segments: list[str], routes: Routes) -> Operation:
    match method, segments:
        case "POST", [*tenant, "charts"] if _is_tenant(tenant, routes):
            return UploadChart(_tenant(tenant))
        case "POST", [*tenant, "prov"] if _is_tenant(tenant, routes):
            return UploadProvenance(_tenant(tenant))
        case "DELETE", [*tenant, "charts", name, version] if _is_tenant(tenant, routes):
            return DeleteChart(_tenant(tenant), name, version)
        case _:
            return Other()


def _is_tenant(segments: list[str], routes: Routes) -> bool:
    return routes.chart_depth in {DYNAMIC, len(segments)}


def _tenant(segments: list[str]) -> str:
    """The folder in which ChartMuseum stores it, normalised: without empty and dot segments."""
    folder = normpath("/".join(segments)).lstrip("/")
    return "" if folder == "." else folder
