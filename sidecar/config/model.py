"""The shape of harbor.yml: names, types, defaults and bounds of every key.

YAML is validated here; the models are not used outside this package. A description is the short meaning of
the key, and part of the message when the key is missing.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from sidecar.config import validators
from sidecar.model import defaults
from sidecar.model.delivery import JSON_TYPE

Name = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(validators.plain_text)]
SecretText = Annotated[str, Field(min_length=1)]
FilePath = Annotated[str, AfterValidator(validators.plain_text)]
Glob = Annotated[str, AfterValidator(validators.name_glob)]
OperatorGlob = Annotated[str, AfterValidator(validators.operator_glob)]
HeaderValue = Annotated[SecretText, AfterValidator(validators.header_value)]
SigningSecret = Annotated[SecretText, AfterValidator(validators.signing_secret)]
Cidr = Annotated[str, AfterValidator(validators.cidr)]
EventTypeName = Annotated[str, AfterValidator(validators.event_type)]
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
HoldSeconds = Annotated[float, Field(ge=0, le=3_600, allow_inf_nan=False)]
RetryWait = Annotated[float, Field(ge=0, le=604_800, allow_inf_nan=False)]
MaxRetry = Annotated[int, Field(ge=1, le=1000)]
AttemptSeconds = Annotated[float, Field(gt=0, le=600, allow_inf_nan=False)]
RetryWaits = Annotated[list[RetryWait], Field(min_length=1)]
RejectionText = Annotated[str, Field(max_length=500), AfterValidator(validators.rejection_text)]
RefusalStatus = Annotated[int, Field(ge=400, le=599)]
BaseUrl = Annotated[str, AfterValidator(validators.base_url)]


def section(kind: type[BaseModel]) -> Any:
    """An optional section: without it, its keys have their defaults."""
    return Field(default_factory=kind)


class Section(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True)


class Listen(Section):
    proxy: Annotated[str, AfterValidator(validators.listen_address)] = "0.0.0.0:5000"
    admin: Annotated[str, AfterValidator(validators.listen_address)] = "127.0.0.1:8080"


class UpstreamSection(Section):
    url: BaseUrl = Field(description="where it listens, as http://127.0.0.1:5001")
    username: Name | None = None
    password: SecretText | None = None
    password_file: FilePath | None = None
    ca_file: FilePath | None = None


class ChartRepository(UpstreamSection):
    depth: Annotated[int, BeforeValidator(validators.chart_depth)] = 0
    context_path: Annotated[str, AfterValidator(validators.context_path)] = ""
    form_field: Name = defaults.CHART_FORM_FIELD


class Log(Section):
    level: Literal["debug", "info", "warning", "error", "fatal"] = "info"


class Database(Section):
    url: SecretText | None = None
    url_file: FilePath | None = None


class LimitsSection(Section):
    client_memory: Annotated[int | str, AfterValidator(validators.memory_size)] = defaults.CLIENT_MEMORY
    head_timeout_s: Seconds = defaults.HEAD_TIMEOUT_S
    body_timeout_s: Seconds = defaults.BODY_TIMEOUT_S
    idle_timeout_s: Seconds = defaults.IDLE_TIMEOUT_S
    stall_timeout_s: Seconds = defaults.STALL_TIMEOUT_S


class NotificationSection(Section):
    enabled: bool = True
    webhook_job_max_retry: MaxRetry = defaults.MAX_RETRY
    webhook_job_http_client_timeout: AttemptSeconds = defaults.ATTEMPT_TIMEOUT_S
    retry_waits_s: RetryWaits | None = None
    target_concurrency: Annotated[int, Field(ge=1, le=1000)] = defaults.TARGET_CONCURRENCY
    retention_days: Annotated[float, Field(gt=0, le=3650, allow_inf_nan=False)] = 7.0
    retention_count: Annotated[int, Field(ge=1, le=10_000_000)] = 1000


class EventsSection(Section):
    mode: Literal["grouped", "exact"] = "grouped"
    pull_hold_s: HoldSeconds = defaults.PULL_HOLD_S
    push_hold_s: HoldSeconds = defaults.PUSH_HOLD_S
    ignore_user_agents: list[Glob] = []
    default_project: Annotated[str, AfterValidator(validators.project_name)] = defaults.DEFAULT_PROJECT


class RejectionSection(Section):
    name: Name = Field(description="how the rule is called")
    enabled: bool = True
    text: RejectionText | None = None
    code: Name | None = None
    statuses: Annotated[list[RefusalStatus], Field(min_length=1)] | None = None
    writes: Annotated[list[Literal["blob", "manifest", "chart"]], Field(min_length=1)] | None = None


class QuotaSection(Section):
    rejections: list[RejectionSection] = []


class EgressSection(Section):
    allow_cidrs: list[Cidr] = []
    deny_cidrs: list[Cidr] = []
    allow_hosts: list[Glob] = []


class BodySignatureSection(Section):
    header: Annotated[str, AfterValidator(validators.header_name)] = "X-Signature"
    prefix: Annotated[str, AfterValidator(validators.header_prefix)] = "sha256="
    secret: SecretText | None = None
    secret_file: FilePath | None = None


class TargetSection(Section):
    id: Annotated[str, AfterValidator(validators.target_id)] | None = None
    type: Literal["http", "slack", "teams"] = "http"
    address: Annotated[str, AfterValidator(validators.target_address)] = Field(
        description="where deliveries are sent, as https://ci.example.com/hook"
    )
    auth_header: HeaderValue | None = None
    auth_header_file: FilePath | None = None
    headers: dict[str, HeaderValue] = {}
    skip_cert_verify: bool = False
    ca_file: FilePath | None = None
    client_cert_file: FilePath | None = None
    client_key_file: FilePath | None = None
    payload_format: Literal["Documented", "Default", "CloudEvents", "CDEvents", "Template"] = "Documented"
    event_names: Literal["2.x", "1.x"] = "2.x"
    template: str | None = None
    template_file: FilePath | None = None
    template_content_type: Annotated[str, AfterValidator(validators.media_type)] = JSON_TYPE
    secret: SigningSecret | None = None
    secret_file: FilePath | None = None
    previous_secret: SigningSecret | None = None
    previous_secret_file: FilePath | None = None
    body_signature: BodySignatureSection | None = None


class PolicySection(Section):
    name: Name = Field(description="unique within its project")
    enabled: bool = True
    event_types: Annotated[list[EventTypeName], Field(min_length=1)] | None = None
    repositories: list[Glob] = []
    tags: list[Glob] = []
    exclude_repositories: list[Glob] = []
    exclude_tags: list[Glob] = []
    operators: list[OperatorGlob] = []
    webhook_job_max_retry: MaxRetry | None = None
    webhook_job_http_client_timeout: AttemptSeconds | None = None
    retry_waits_s: RetryWaits | None = None
    targets: Annotated[list[TargetSection], Field(min_length=1)] = Field(
        description="at least one address that deliveries are sent to"
    )


class ProjectSection(Section):
    name: Annotated[str, AfterValidator(validators.project_name)] = Field(
        description="the first part of its repositories' names, or * for all projects"
    )
    public: bool = False
    oci_chart_events: bool = False
    admins: list[Name] = []
    storage_limit: Annotated[int, BeforeValidator(validators.storage_limit)] | None = None
    scan_on_push: bool = False
    webhook_policies: list[PolicySection] = []


class ScannerSection(Section):
    name: Name = Field(description="how the scanner is called")
    url: Annotated[str, AfterValidator(validators.external_url)] = Field(
        description="where its adapter listens"
    )
    auth: Literal["", "Basic", "Bearer", "X-ScannerAdapter-API-Key"] = ""
    access_credential: str | None = None
    access_credential_file: FilePath | None = None
    skip_cert_verify: bool = False


class HarborYml(Section):
    hostname: Annotated[str, AfterValidator(validators.host_name)] = Field(
        description="what users write before a repository, as registry.example.com"
    )
    external_url: Annotated[str, AfterValidator(validators.external_url)] | None = None
    listen: Listen = section(Listen)
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    registry: UpstreamSection = Field(description="the registry behind the proxy; it needs the key url")
    chart_repository: ChartRepository | None = None
    data_volume: FilePath = "/var/lib/sidecar"
    log: Log = section(Log)
    database: Database = section(Database)
    harbor_admin_password: SecretText | None = None
    harbor_admin_password_file: FilePath | None = None
    users_file: FilePath | None = None
    notification: NotificationSection = section(NotificationSection)
    events: EventsSection = section(EventsSection)
    quota: QuotaSection = section(QuotaSection)
    strict: bool = False
    trusted_proxies: list[Cidr] = list(defaults.PRIVATE_NETWORKS)
    connect_timeout_s: Seconds = defaults.CONNECT_TIMEOUT_S
    look_up_timeout_s: Seconds = defaults.LOOK_UP_TIMEOUT_S
    limits: LimitsSection = section(LimitsSection)
    egress: EgressSection = section(EgressSection)
    projects: list[ProjectSection] = []
    scanners: list[ScannerSection] = []
