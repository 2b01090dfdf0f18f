"""What clients may take of one process of the proxy."""

from dataclasses import dataclass

from sidecar.model import defaults


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLimits:
    """Limits on what clients may use of one proxy process."""

    client_memory_bytes: int = defaults.CLIENT_MEMORY_BYTES  #: all together; budget.Budget
    head_timeout_s: float = defaults.HEAD_TIMEOUT_S  #: for the whole head of a request
    body_timeout_s: float = (
        defaults.BODY_TIMEOUT_S
    )  #: for the whole of a body that is read before it is forwarded
    idle_timeout_s: float = defaults.IDLE_TIMEOUT_S  #: between two requests of a connection
    stall_timeout_s: float = defaults.STALL_TIMEOUT_S  #: without a byte of a body that is under way
