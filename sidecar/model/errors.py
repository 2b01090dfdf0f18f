"""The exceptions of this program, for errors with outside causes.

    SidecarError
    ├── ConfigError           harbor.yml cannot be used; carries every error at once
    ├── StartFailed           a needed resource is unavailable; one line with the key to correct
    ├── NameInvalid           a repository, tag or digest that no registry accepts
    ├── ManifestInvalid       bytes that are no manifest, or more than we read
    ├── NotUnderstood         a chart that may be valid, but is beyond our limits
    ├── UpstreamUnavailable   the registry or chart repository did not answer
    ├── StoreUnavailable      events cannot be stored at present (disk full, database unavailable)
    ├── NotFound              something that was asked for does not exist
    └── RequestInvalid        a request of a person is invalid or ambiguous

Results that are part of normal operation (a target refused, a delivery was given up) are values,
not exceptions; our own bugs have no exception here.
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
    """A resource that the configuration needs is unavailable; the message names the key and what to do."""


class NameInvalid(SidecarError):
    """A repository, tag or digest is not written as the distribution specification demands."""


class ManifestInvalid(SidecarError):
    """The bytes are not a manifest."""


class NotUnderstood(SidecarError):
    """The bytes may be well-formed, but are beyond the limits of our parsers."""


class UpstreamUnavailable(SidecarError):
    """The upstream did not respond; whether it did anything is unknown."""


class StoreUnavailable(SidecarError):
    """The store cannot be used at present."""


class NotFound(SidecarError):
    """Something that was asked for does not exist; the message is for people."""


class RequestInvalid(SidecarError):
    """A request is invalid or ambiguous: a name shared by several, an unknown word. The message is for people."""
