"""The faults of the outside that this program gives a name.

    SidecarError
    ├── ConfigError           harbor.yml cannot be used; carries every error at once
    ├── StartFailed           it cannot start like that; one line with the key to mend
    ├── NameInvalid           a repository, tag or digest that no registry accepts
    ├── ManifestInvalid       bytes that are no manifest, or more than we read
    ├── NotUnderstood         a chart that may be good, but is beyond what we read
    ├── UpstreamUnavailable   the registry or chart repository did not answer
    ├── StoreUnavailable      events cannot be kept right now (disk full, database away)
    ├── NotFound              what somebody asks for is not there
    └── RequestInvalid        what somebody asks for cannot be meant

Answers that are part of normal operation (a target refused, a delivery was given up) are values,
not exceptions; our own bugs are not caught here.
"""

from collections.abc import Sequence


class SidecarError(Exception):
    """Base of every error this program raises on purpose."""


class ConfigError(SidecarError):
    """harbor.yml cannot be used."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = tuple(errors)  #: one line each: path in the file, what is wrong, what to do


class StartFailed(SidecarError):
    """What the configuration asks for cannot be had here; the text names the key and what to do."""


class NameInvalid(SidecarError):
    """A repository, tag or digest is not written as the distribution specification demands."""


class ManifestInvalid(SidecarError):
    """The bytes are not a manifest."""


class NotUnderstood(SidecarError):
    """The bytes may be well-formed, but they are beyond what is read here."""


class UpstreamUnavailable(SidecarError):
    """The upstream did not answer; nothing is known about what it did."""


class StoreUnavailable(SidecarError):
    """The store cannot keep events right now."""


class NotFound(SidecarError):
    """What somebody asks for is not there; the text is for people."""


class RequestInvalid(SidecarError):
    """What somebody asks for cannot be meant: a name of several, a word of no list. The text is for people."""
