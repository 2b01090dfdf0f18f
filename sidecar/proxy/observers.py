"""What watches which operation; whatever is not in the table is relayed and not looked at."""

from typing import Final

from sidecar.model.operation import (
    DeleteChart,
    DeleteManifest,
    DownloadChart,
    GetBlob,
    GetManifest,
    HeadBlob,
    HeadManifest,
    Operation,
    Ping,
    PutManifest,
    UploadChart,
    UploadProvenance,
    WriteBlob,
)
from sidecar.proxy.charts import ChartDelete, ChartDownloaded, ChartPost
from sidecar.proxy.observer import Observer
from sidecar.proxy.reads import BlobGet, BlobHead, ManifestGet, ManifestHead, PingGet
from sidecar.proxy.writes import BlobWrite, ManifestDelete, ManifestPut, Write

_OBSERVERS: Final[dict[type[Operation], type[Observer]]] = {
    PutManifest: ManifestPut,
    GetManifest: ManifestGet,
    HeadManifest: ManifestHead,
    DeleteManifest: ManifestDelete,
    GetBlob: BlobGet,
    HeadBlob: BlobHead,
    WriteBlob: BlobWrite,
    UploadChart: ChartPost,
    UploadProvenance: Write,
    DownloadChart: ChartDownloaded,
    DeleteChart: ChartDelete,
    Ping: PingGet,
}


def observer_of(operation: Operation) -> type[Observer]:
    return _OBSERVERS.get(type(operation), Observer)
