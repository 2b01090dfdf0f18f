"""A target of a policy: its address, format, secrets and certificates."""

from dataclasses import dataclass, field
from enum import StrEnum

from sidecar.model.delivery import JSON_TYPE
from sidecar.model.secrets import Secret


class TargetType(StrEnum):
    HTTP = "http"
    SLACK = "slack"
    TEAMS = "teams"


class PayloadFormat(StrEnum):
    DOCUMENTED = "Documented"  #: the form printed on Harbor's webhook page
    DEFAULT = "Default"  #: what Harbor 2 sends
    CLOUDEVENTS = "CloudEvents"
    CDEVENTS = "CDEvents"  #: of the Continuous Delivery Foundation, in a CloudEvent
    TEMPLATE = "Template"  #: rendered with the target's own template


class EventNames(StrEnum):
    """Which spelling of event types `Default` uses."""

    HARBOR2 = "2.x"
    HARBOR1 = "1.x"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """PEM files for connections to one target; equal values mean equal contents."""

    ca_file: str = ""  #: trusted instead of the system's authorities
    client_cert_file: str = ""
    client_key_file: str = ""
    fingerprint: str = ""  #: of the contents of the files when they were read


@dataclass(frozen=True, slots=True, kw_only=True)
class BodySignature:
    """A header with the HMAC of the body, for receivers that support no other signature."""

    header: str
    prefix: str  #: before the hexadecimal digits, as "sha256="
    secret: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One endpoint of a policy."""

    id: str = ""  #: as harbor.yml gives it; see `target_ids` for one that has none
    address: str  #: absolute http or https URL, kept byte for byte
    type: TargetType = TargetType.HTTP
    auth_header: Secret = field(default_factory=lambda: Secret(""))  #: whole value of Authorization
    skip_cert_verify: bool = False
    payload_format: PayloadFormat = PayloadFormat.DOCUMENTED
    event_names: EventNames = EventNames.HARBOR2
    secret: Secret = field(default_factory=lambda: Secret(""))  #: signs deliveries when set
    previous_secret: Secret = field(
        default_factory=lambda: Secret("")
    )  #: signs as well while the secret is rotated
    body_signature: BodySignature | None = None
    headers: tuple[tuple[str, Secret], ...] = ()  #: sent with every attempt
    tls: TlsFiles = field(default_factory=TlsFiles)
    template: str = ""  #: for TEMPLATE
    template_content_type: str = JSON_TYPE

    @property
    def is_signed(self) -> bool:
        return bool(self.secret or self.body_signature)
