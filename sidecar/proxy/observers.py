"""What watches which operation; whatever is not in the table is relayed and not looked at."""

from typing import Final

from sidecar.operation import (
    DeleteChart,
    DeleteManifest,
    DownloadChart,
    GetBlob,
    GetManifest,
    HeadManifest,
    Operation,
    PutManifest,
    UploadChart,
    WriteBlob,
)
from sidecar.proxy.charts import ChartDelete, ChartDownloaded, ChartPost
from sidecar.proxy.passage import Observer
from sidecar.proxy.reads import BlobGet, ManifestGet, ManifestHead
from sidecar.proxy.writes import BlobWrite, ManifestDelete, ManifestPut

_OBSERVERS: Final[dict[type[Operation], type[Observer]]] = {
    PutManifest: ManifestPut,
    GetManifest: ManifestGet,
    HeadManifest: ManifestHead,
    DeleteManifest: ManifestDelete,
    GetBlob: BlobGet,
    WriteBlob: BlobWrite,
    UploadChart: ChartPost,
    DownloadChart: ChartDownloaded,
    DeleteChart: ChartDelete,
}


def observer_of(operation: Operation) -> type[Observer]:
    return _OBSERVERS.get(type(operation), Observer)
