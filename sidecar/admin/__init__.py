"""The admin listener: health and metrics. It is given functions, never objects of other stages.

Not for clients of the registry: no Service should expose its port.

application  its routes
health       readiness: the response of /readyz
"""

from sidecar.admin.application import admin_application
from sidecar.admin.health import Check, Readiness

__all__ = ["Check", "Readiness", "admin_application"]
