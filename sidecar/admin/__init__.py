"""The admin listener: health and metrics. It is handed functions, never objects of other stages.

Not meant for clients of the registry: no Service should name its port.
"""

from sidecar.admin.application import admin_application
from sidecar.admin.health import Check, Readiness

__all__ = ["Check", "Readiness", "admin_application"]
