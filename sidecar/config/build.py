"""A checked harbor.yml => Settings, values of our own types only."""

from pathlib import Path
from typing import Any

from sidecar.config import model
from sidecar.config.settings import (
    ChartUpstreamSettings,
    Events,
    Network,
    Notification,
    Settings,
    UpstreamSettings,
)
from sidecar.config.tls_files import tls_files_of
from sidecar.config.validators import as_network, size_in_bytes, split_address
from sidecar.model.client_limits import ClientLimits
from sidecar.model.defaults import RETRY_WAITS_S
from sidecar.model.event import IN_ALL, EventType, parse_event_type
from sidecar.model.secrets import Secret
from sidecar.policies.egress_rules import EgressRules
from sidecar.policies.policy import ALL_PROJECTS, Project, WebhookPolicy
from sidecar.policies.target import BodySignature, EventNames, PayloadFormat, Target, TargetType
from sidecar.quota.known import with_changes
from sidecar.quota.rules import WriteKind

_LEVELS = {"fatal": "critical"}  # Harbor's word for the highest level


def settings_of(
    checked: model.HarborYml, *, folder: Path, notices: tuple[str, ...], files: tuple[Path, ...]
) -> Settings:
    return Settings(
        hostname=checked.hostname,
        external_url=checked.external_url or f"https://{checked.hostname}",
        listen_proxy=split_address(checked.listen.proxy),
        listen_admin=split_address(checked.listen.admin),
        workers=checked.workers,
        registry=_registry(checked.registry, folder),
        chart_repository=_chart_repository(checked.chart_repository, folder),
        data_volume=Path(checked.data_volume),
        log_level=_LEVELS.get(checked.log.level, checked.log.level),
        notification=_notification(checked.notification),
        events=_events(checked.events),
        rejections=with_changes(map(_rejection, checked.quota.rejections)),
        strict=checked.strict,
        trusted_proxies=_networks(checked.trusted_proxies),
        limits=_limits(checked.limits),
        egress=_egress(checked),
        projects=tuple(_project(project) for project in checked.projects if project.name != ALL_PROJECTS),
        policies=tuple(
            policy_of(policy, project.name, folder)
            for project in checked.projects
            for policy in project.webhook_policies
        ),
        connect_timeout_s=checked.connect_timeout_s,
        look_up_timeout_s=checked.look_up_timeout_s,
        notices=notices,
        files=files,
    )


def _registry(section: model.UpstreamSection, folder: Path) -> UpstreamSettings:
    return UpstreamSettings(
        url=section.url,
        username=section.username or "",
        password=Secret(section.password or ""),
        ca_file=folder / section.ca_file if section.ca_file else None,
    )


def _chart_repository(section: model.ChartRepository | None, folder: Path) -> ChartUpstreamSettings | None:
    if section is None:
        return None
    common = _registry(section, folder)
    return ChartUpstreamSettings(
        url=common.url,
        username=common.username,
        password=common.password,
        ca_file=common.ca_file,
        depth=section.depth,
        context_path=section.context_path,
        form_field=section.form_field,
    )


def _notification(section: model.NotificationSection) -> Notification:
    waits = section.retry_waits_s
    return Notification(
        enabled=section.enabled,
        max_retry=section.webhook_job_max_retry,
        timeout_s=section.webhook_job_http_client_timeout,
        retry_waits_s=RETRY_WAITS_S if waits is None else tuple(waits),
        target_concurrency=section.target_concurrency,
        retention_days=section.retention_days,
        retention_count=section.retention_count,
    )


def _events(section: model.EventsSection) -> Events:
    return Events(
        mode=section.mode,
        pull_hold_s=section.pull_hold_s,
        push_hold_s=section.push_hold_s,
        ignore_user_agents=tuple(section.ignore_user_agents),
        default_project=section.default_project,
    )


def _rejection(section: model.RejectionSection) -> tuple[str, bool, dict[str, Any]]:
    """The keys of a rule that override the known rule of that name."""
    values: dict[str, Any] = {}
    if section.text is not None:
        values |= {"texts": (section.text,), "says": ""}
    if section.code is not None:
        values["code"] = section.code
    if section.statuses is not None:
        values["statuses"] = frozenset(section.statuses)
    if section.writes is not None:
        values["writes"] = frozenset(map(WriteKind, section.writes))
    return section.name, section.enabled, values


def _limits(section: model.LimitsSection) -> ClientLimits:
    return ClientLimits(
        client_memory_bytes=size_in_bytes(section.client_memory) or 0,
        head_timeout_s=section.head_timeout_s,
        body_timeout_s=section.body_timeout_s,
        idle_timeout_s=section.idle_timeout_s,
        stall_timeout_s=section.stall_timeout_s,
    )


def _egress(checked: model.HarborYml) -> EgressRules:
    section = checked.egress
    return EgressRules(
        allow_cidrs=_networks(section.allow_cidrs),
        deny_cidrs=_networks(section.deny_cidrs),
        allow_hosts=tuple(section.allow_hosts),
        own_listeners=(split_address(checked.listen.proxy), split_address(checked.listen.admin)),
    )


def _networks(texts: list[str]) -> tuple[Network, ...]:
    return tuple(as_network(text) for text in texts)


def _project(section: model.ProjectSection) -> Project:
    return Project(name=section.name, public=section.public, oci_chart_events=section.oci_chart_events)


def policy_of(section: model.PolicySection, project: str, folder: Path) -> WebhookPolicy:
    return WebhookPolicy(
        id=f"{project}/{section.name}",
        project=project,
        name=section.name,
        enabled=section.enabled,
        event_types=_event_types(section.event_types),
        repositories=tuple(section.repositories),
        tags=tuple(section.tags),
        exclude_repositories=tuple(section.exclude_repositories),
        exclude_tags=tuple(section.exclude_tags),
        operators=tuple(section.operators),
        max_retry=section.webhook_job_max_retry,
        timeout_s=section.webhook_job_http_client_timeout,
        retry_waits_s=None if section.retry_waits_s is None else tuple(section.retry_waits_s),
        targets=tuple(target_of(target, folder) for target in section.targets),
    )


def _event_types(names: list[str] | None) -> frozenset[EventType]:
    if names is None:
        return IN_ALL
    return frozenset(kind for name in names if (kind := parse_event_type(name)))


def target_of(section: model.TargetSection, folder: Path) -> Target:
    return Target(
        id=section.id or "",
        address=section.address,
        type=TargetType(section.type),
        auth_header=Secret(section.auth_header or ""),
        skip_cert_verify=section.skip_cert_verify,
        payload_format=PayloadFormat(section.payload_format),
        event_names=EventNames(section.event_names),
        secret=Secret(section.secret or ""),
        previous_secret=Secret(section.previous_secret or ""),
        body_signature=_body_signature(section.body_signature),
        headers=tuple((name, Secret(value)) for name, value in section.headers.items()),
        tls=tls_files_of(section, folder),
        template=section.template or "",
        template_content_type=section.template_content_type,
    )


def _body_signature(section: model.BodySignatureSection | None) -> BodySignature | None:
    if section is None:
        return None
    return BodySignature(header=section.header, prefix=section.prefix, secret=Secret(section.secret or ""))
