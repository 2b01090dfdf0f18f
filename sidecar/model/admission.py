"""Whether a write may be forwarded: what is asked, and the two answers.

The proxy asks; what decides is handed to it (proxy.interface.Hooks.admit).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from sidecar.model.exchange import Body, Client, Facts
from sidecar.model.names import Digest
from sidecar.model.operation import UploadProvenance, WriteBlob, WriteOperation

#: What takes room in an upstream, or changes it.
GatedOperation = WriteOperation | WriteBlob | UploadProvenance


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionRequest:
    """A write that is about to be forwarded.

    Asked before any of it is forwarded. Of a body that is not kept until it is whole (a chart, a manifest of more
    than 4 MiB) that is before it has come: it is asked again with the same id, and with what is known then,
    while the last piece of the body is held back.
    """

    id: UUID  #: the exchange's id
    operation: GatedOperation
    client: Client
    came_at: datetime  #: UTC
    request_body: Body | None = None  #: the manifest that is PUT, unless it is large
    content_digest: Digest | None = None  #: sha256 of the manifest that is PUT, once all of it has come
    facts: Facts = field(default_factory=Facts)
    #: Sizes, in bytes, of what may be the uploaded .tgz, by its sha256; once all of it has come.
    chart_sizes: Mapping[Digest, int] = field(default_factory=dict)
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Admitted:
    """The write is forwarded.

    What was noted or reserved for it goes by the request's id, which its exchange has as well.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """The write is not forwarded; the client is told so in the words of its protocol.

    status   400 to 599
    code     of an error, for registry clients (distribution-spec "Error Codes"); chart clients get the message only
    message  for people, one line
    """

    status: int
    code: str
    message: str

    def __post_init__(self) -> None:
        if not 400 <= self.status <= 599:
            raise ValueError(f"{self.status} does not refuse anything")


ADMITTED: Final = Admitted()
