"""The admin listener: health and metrics. It is handed functions, never objects of other stages.

Not meant for clients of the registry: no Service should name its port.

application  its routes
health       whether traffic may come: the answer of /readyz
"""

from sidecar.admin.application import admin_application
from sidecar.admin.health import Check, Readiness

__all__ = ["Check", "Readiness", "admin_application"]
