"""harbor.yml and the environment, turned into frozen settings.

load          all of these in order    => Settings, or ConfigError with every error at once
document      bytes of the file        => plain values, or errors with their line
environment   SIDECAR_ names           => laid over those values
secret_files  *_file keys              => read, and put where the secret itself may stand
tls_files     PEM files                => looked at
passes        the first of these, for whole and part
model         the shape of harbor.yml  (pydantic; nothing of it leaves this package)
validators    what one value must look like
cross_field   what one key alone cannot say
templates     payload templates        => tried on samples
notices       what can be used, but will not do what may be expected
errors        what is wrong, where, and what to do
build         checked values           => Settings
settings      what the rest of the program is built from
alone         the same for one policy or one target
changes       what of new settings needs a restart
wiring        Settings                 => what each stage is given of them

Which parts may import this package is in .importlinter; every other stage is handed plain values.
"""

from sidecar.config.alone import Checked, check_policy, check_target
from sidecar.config.changes import Changes, compare
from sidecar.config.errors import Diagnostic
from sidecar.config.load import load
from sidecar.config.settings import (
    ChartUpstream,
    Egress,
    Events,
    Network,
    Notification,
    Settings,
    Upstream,
)

__all__ = [
    "Changes",
    "ChartUpstream",
    "Checked",
    "Diagnostic",
    "Egress",
    "Events",
    "Network",
    "Notification",
    "Settings",
    "Upstream",
    "check_policy",
    "check_target",
    "compare",
    "load",
]
