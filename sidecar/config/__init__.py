"""harbor.yml and the environment, turned into frozen settings.

load          all of these in order    => Settings, or ConfigError with every error at once
document      bytes of the file        => plain values, or errors with their line
environment   SIDECAR_ names           => laid over those values
secret_files  *_file keys              => read, and put under the key of the secret itself
tls_files     PEM files                => checked
passes        the steps above, for a whole file and for a part
model         the shape of harbor.yml  (pydantic; never used outside this package)
validators    checks of one value
cross_field   checks that need several keys
templates     payload templates        => tried on samples
notices       settings that are valid but may not do what is expected
errors        collects what is wrong, where, and what to do
build         checked values           => Settings
settings      the values that the rest of the program is built from
alone         the same for one policy or one target
changes       which changed settings need a restart

.importlinter lists who may import this package; every other stage is given plain values.
"""

from sidecar.config.alone import Checked, check_policy, check_target
from sidecar.config.changes import Changes, compare
from sidecar.config.errors import Diagnostic
from sidecar.config.load import load
from sidecar.config.settings import (
    ChartUpstreamSettings,
    Events,
    Network,
    Notification,
    Settings,
    UpstreamSettings,
)

__all__ = [
    "Changes",
    "ChartUpstreamSettings",
    "Checked",
    "Diagnostic",
    "Events",
    "Network",
    "Notification",
    "Settings",
    "UpstreamSettings",
    "check_policy",
    "check_target",
    "compare",
    "load",
]
