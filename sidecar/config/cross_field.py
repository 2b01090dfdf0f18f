"""Checks that need several keys: keys that exclude each other, names that must differ.

Works on plain values, independently of the model, so that these errors are reported together with all others.
Values of the wrong shape are skipped: the model reports them.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from sidecar.config.errors import Errors, Location, did_you_mean
from sidecar.config.validators import header_name_fault, listen_address, split_address
from sidecar.model.defaults import DEFAULT_PROJECT
from sidecar.policies.globs import is_glob_of, plain_globs
from sidecar.policies.policy import ALL_PROJECTS
from sidecar.quota.known import KNOWN_RULES

_EVERY_INTERFACE = {"0.0.0.0", "::"}  # noqa: S104 - an address to recognise
_LOCAL_HOSTS = {"127.0.0.1", "::1", "localhost"}
_KNOWN_REJECTIONS = [rule.name for rule in KNOWN_RULES]
_Element = tuple[Location, dict[str, Any]]


def check_cross_field(values: dict[str, Any], errors: Errors) -> None:
    _check_listeners(values, errors)
    for key in ("registry", "chart_repository"):
        _check_credentials((key,), _section(values, key), errors)
    _check_rejections(list(_elements(_section(values, "quota"), ("quota", "rejections"))), errors)
    _check_names(_elements(values, ("projects",)), errors)
    default_project = _section(values, "events").get("default_project", DEFAULT_PROJECT)
    for at, project in _elements(values, ("projects",)):
        policies = list(_elements(project, (*at, "webhook_policies")))
        _check_names(policies, errors)
        for policy_at, policy in policies:
            check_policy_fields(policy_at, policy, project.get("name"), default_project, errors)


def check_policy_fields(
    at: Location, policy: dict[str, Any], project: object, default_project: object, errors: Errors
) -> None:
    """One policy, regardless of the others; `project` is the name of its project."""
    _check_globs(at, policy, project, default_project, errors)
    _check_names(_elements(policy, (*at, "targets")), errors, key="id")
    for target_at, target in _elements(policy, (*at, "targets")):
        check_target_fields(target_at, target, errors)


def _section(values: dict[str, Any], key: str) -> dict[str, Any]:
    value = values.get(key)
    return value if isinstance(value, dict) else {}


def _elements(values: dict[str, Any], at: Location) -> Iterator[_Element]:
    """The mappings in the list at the last part of `at`."""
    elements = values.get(str(at[-1]))
    for index, element in enumerate(elements if isinstance(elements, list) else ()):
        if isinstance(element, dict):
            yield (*at, index), element


def _check_names(elements: Iterator[_Element] | list[_Element], errors: Errors, *, key: str = "name") -> None:
    seen: dict[str, Location] = {}
    for at, element in elements:
        name = element.get(key)
        if not isinstance(name, str):
            continue
        if name in seen:
            errors.add((*at, key), f"is the {key} of entry {seen[name][-1]} of this list too; choose another")
        seen.setdefault(name, at)


def _check_rejections(rejections: list[_Element], errors: Errors) -> None:
    _check_names(rejections, errors)
    for at, rule in rejections:
        name = rule.get("name")
        if (
            isinstance(name, str)
            and name not in _KNOWN_REJECTIONS
            and not {"text", "code", "statuses"} & rule.keys()
        ):
            errors.add(
                (*at, "name"),
                f"is no rule that is known{did_you_mean(name, _KNOWN_REJECTIONS)}; a new one needs text, code or statuses",
            )


def _check_credentials(at: Location, upstream: dict[str, Any], errors: Errors) -> None:
    if upstream.get("password") and not upstream.get("username"):
        errors.add((*at, "password"), "needs a username beside it")
    if upstream.get("username") and not upstream.get("password"):
        errors.add((*at, "username"), "needs a password or password_file beside it")


def check_target_fields(at: Location, target: dict[str, Any], errors: Errors) -> None:
    if target.get("type") in (
        "slack",
        "teams",
    ):  # a tuple, because a list has no hash and could not be looked up in a set
        for key in ("auth_header", "payload_format"):
            if key in target:
                errors.add((*at, key), f"has no meaning for {target['type']}; remove it")
    elif "event_names" in target and target.get("payload_format") != "Default":
        errors.add((*at, "event_names"), "is a choice of payload_format Default only; remove it")
    _check_template(at, target, errors)
    _check_headers((*at, "headers"), _section(target, "headers"), errors)
    _check_tls(at, target, errors)
    if "previous_secret" in target and not ({"secret", "secret_file"} & target.keys()):
        errors.add((*at, "previous_secret"), "needs the new secret beside it, as secret or secret_file")
    if isinstance(signature := target.get("body_signature"), dict):
        _check_body_signature((*at, "body_signature"), signature, target, errors)


def _check_body_signature(
    at: Location, signature: dict[str, Any], target: dict[str, Any], errors: Errors
) -> None:
    if not ({"secret", "secret_file"} & signature.keys()):
        errors.add((*at, "secret"), "is missing; add it, or secret_file (the text that the receiver knows)")
    header = str(signature.get("header", "X-Signature"))
    if header.lower() in {str(name).lower() for name in _section(target, "headers")}:
        errors.add((*at, "header"), "stands among the headers of this target too; remove one of the two")


def _check_template(at: Location, target: dict[str, Any], errors: Errors) -> None:
    keys = [key for key in ("template", "template_file", "template_content_type") if key in target]
    if target.get("payload_format") == "Template":
        if not {"template", "template_file"} & set(keys):
            errors.add((*at, "payload_format"), "is Template: needs a template or template_file beside it")
    elif keys:
        errors.add((*at, keys[0]), "is for payload_format Template only; remove it, or set that")


def _check_headers(at: Location, headers: dict[str, Any], errors: Errors) -> None:
    seen: dict[str, str] = {}
    for name in headers:
        if fault := header_name_fault(name):
            errors.add((*at, name), fault)
        elif (spelling := seen.setdefault(name.lower(), name)) != name:
            errors.add((*at, name), f"is the same header as {spelling}; remove one of the two")


def _check_tls(at: Location, target: dict[str, Any], errors: Errors) -> None:
    keys = [key for key in ("ca_file", "client_cert_file", "client_key_file") if key in target]
    address = target.get("address")
    if keys and isinstance(address, str) and address.lower().startswith("http://"):
        errors.add((*at, keys[0]), "has no meaning for an address that begins with http://; remove it")
    if "ca_file" in target and target.get("skip_cert_verify") is True:
        errors.add((*at, "ca_file"), "has no effect with skip_cert_verify: true; remove one of the two")
    for key, other in (("client_cert_file", "client_key_file"), ("client_key_file", "client_cert_file")):
        if key in target and other not in target:
            errors.add((*at, key), f"needs {other} beside it")


def _check_globs(
    at: Location, policy: dict[str, Any], project: object, default: object, errors: Errors
) -> None:
    for key in ("repositories", "exclude_repositories"):
        globs = policy.get(key)
        for index, glob in enumerate(globs if isinstance(globs, list) else ()):
            if (
                isinstance(glob, str)
                and isinstance(project, str)
                and _matches_nothing(glob, project, default)
            ):
                errors.add(
                    (*at, key, index),
                    f"matches nothing in project {project}; full names begin with {project}/",
                )


def _matches_nothing(glob: str, project: str, default: object) -> bool:
    """Whether a filter cannot match: filters apply to full names, project included."""
    if project == ALL_PROJECTS:
        return False
    return not any(_may_match(plain, project, default) for plain in plain_globs(glob))


def _may_match(glob: str, project: str, default: object) -> bool:
    head, slash, _ = glob.partition("/")
    return "**" in glob or (is_glob_of(head, project) if slash else project == default)


def _check_listeners(values: dict[str, Any], errors: Errors) -> None:
    listen = _section(values, "listen")
    proxy = _address(listen.get("proxy", "0.0.0.0:5000"))
    admin = _address(listen.get("admin", "127.0.0.1:8080"))
    if proxy and admin and proxy[1] == admin[1] and _overlap(proxy[0], admin[0]):
        errors.add(("listen", "admin"), "is the same port as listen.proxy; choose another")
    for key in ("registry", "chart_repository"):
        for name, own in (("proxy", proxy), ("admin", admin)):
            if own and _is_own(_section(values, key).get("url"), own):
                errors.add((key, "url"), f"is listen.{name} itself; name the address behind the sidecar")


def _address(text: object) -> tuple[str, int] | None:
    try:
        return split_address(listen_address(text)) if isinstance(text, str) else None
    except ValueError:
        return None


def _overlap(one: str, other: str) -> bool:
    return one == other or bool({one, other} & _EVERY_INTERFACE)


def _is_own(url: object, own: tuple[str, int]) -> bool:
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return False
    host = parts.hostname or ""
    return port == own[1] and (
        host == own[0] or (host in _LOCAL_HOSTS and own[0] in _LOCAL_HOSTS | _EVERY_INTERFACE)
    )
