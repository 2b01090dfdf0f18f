"""One policy or one target by itself says what it says in a whole harbor.yml, in the same words."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sidecar.config import Settings, check_policy, check_target, load
from sidecar.config.model import BodySignatureSection, PolicySection, TargetSection
from sidecar.model.errors import ConfigError
from sidecar.model.event import EventType
from sidecar.policies.policy import WebhookPolicy
from sidecar.policies.target import Target
from tests.support.certificates import write_certificate

Json = dict[str, Any]
POLICY = "harbor.yml: projects[0].webhook_policies[0]"
HOOK = {"address": "https://ci.example.com/hook"}
KEEL = {"address": "http://keel:9300/v1/webhooks/harbor"}
CDEVENTS = {**HOOK, "payload_format": "CDEvents"}
TEMPLATE = {**HOOK, "payload_format": "Template"}


def a_policy(**keys: object) -> Json:
    return {"name": "ci", "targets": [HOOK], **keys}


def a_target(**keys: object) -> Json:
    return {**HOOK, **keys}


def whole(folder: Path, policy: object, project: str = "prj") -> Settings | list[str]:
    """The same policy in a harbor.yml: what it became, or its errors with places relative to it."""
    path = folder / "harbor.yml"
    path.write_text(yaml.safe_dump(_document(policy, project), sort_keys=False))
    try:
        return load(path, {})
    except ConfigError as exc:
        return list(map(relative, exc.errors))


def _document(policy: object, project: str) -> Json:
    return {
        "hostname": "x",
        "registry": {"url": "http://r"},
        "projects": [{"name": project, "webhook_policies": [policy]}],
    }


def relative(line: str) -> str:
    assert line.startswith(POLICY)
    return line.removeprefix(POLICY).removeprefix(":").removeprefix(".").lstrip()


def assert_same(folder: Path, policy: object, project: str = "prj") -> tuple[list[str], list[str]]:
    """Answers errors and notices, which were found both ways."""
    there, before = whole(folder, policy, project), copy.deepcopy(policy)
    alone = check_policy(policy, project=project, folder=folder)
    assert policy == before
    if isinstance(there, list):
        assert list(map(str, alone.errors)) == there
        assert (alone.value, alone.notices) == (None, ())
        return there, []
    assert there.policies == (alone.value,)
    assert alone.errors == ()
    notices = list(map(str, alone.notices))
    assert notices == list(map(relative, there.notices))
    return [], notices


ERRORS = [
    (["not a mapping"], "must hold keys and values"),
    ({}, "name: is missing; add it (unique within its project)"),
    ({"name": "ci"}, "targets: is missing; add it (at least one address that deliveries are sent to)"),
    ({"name": 5, "targets": [HOOK]}, "name: must be text; put it in quotes"),
    (a_policy(targets=[]), "targets: must not be empty"),
    (a_policy(targetz=[]), "targetz: unknown key (did you mean targets?)"),
    (a_policy(event_types=["pushImages"]), "event_types[0]: no such event type (did you mean pushImage?)"),
    (a_policy(repositories=["other/x"]), "repositories[0]: matches nothing in project prj"),
    (a_policy(exclude_repositories=["x"]), "exclude_repositories[0]: matches nothing in project prj"),
    (a_policy(tags=["v[0-9]"]), "tags[0]: cannot have [ ] or \\"),
    (a_policy(webhook_job_max_retry=0), "webhook_job_max_retry: must be at least 1"),
    (a_policy(retry_waits_s=[1, -1]), "retry_waits_s[1]: must be at least 0"),
    (a_policy(targets=[5]), "targets[0]: must hold keys and values"),
    (a_policy(targets=[HOOK, {}]), "targets[1].address: is missing; add it"),
    (a_policy(targets=[a_target(address="ci.example.com")]), "targets[0].address: must be an absolute URL"),
    (a_policy(targets=[a_target(type="slac")]), "targets[0].type: must be http, slack or teams"),
    (a_policy(targets=[a_target(type=[])]), "targets[0].type: must be http, slack or teams"),
    (
        a_policy(targets=[a_target(type="slack", auth_header="x")]),
        "targets[0].auth_header: has no meaning for",
    ),
    (a_policy(targets=[a_target(event_names="1.x")]), "targets[0].event_names: is a choice of"),
    (a_policy(targets=[a_target(auth_header="a\nb")]), "targets[0].auth_header: must be one line"),
    (a_policy(targets=[a_target(auth_header_file="nowhere")]), "targets[0].auth_header_file: "),
    (a_policy(targets=[a_target(secret="!")]), "targets[0].secret: "),
    (a_policy(targets=[a_target(previous_secret="c2Vrcml0")]), "targets[0].previous_secret: needs the new"),
    (a_policy(targets=[a_target(headers={"Host": "x"})]), "targets[0].headers.Host: is set by the sidecar"),
    (a_policy(targets=[a_target(headers={"X": {"value_file": "no"}})]), "targets[0].headers.X.value_file: "),
    (a_policy(targets=[a_target(body_signature={})]), "targets[0].body_signature.secret: is missing"),
    (a_policy(targets=[a_target(ca_file="harbor.yml")]), "targets[0].ca_file: "),
    (a_policy(targets=[a_target(client_key_file="k")]), "targets[0].client_key_file: needs client_cert_file"),
    (a_policy(targets=[TEMPLATE]), "targets[0].payload_format: is Template: needs a template"),
    (
        a_policy(targets=[{**TEMPLATE, "template": "{{ event.tagg | tojson }}"}]),
        "targets[0].template: line 1: there is no 'tagg' (tried with a sample of pushImage)",
    ),
    (
        a_policy(event_types=["CHART PUSH"], targets=[{**TEMPLATE, "template": "{{ event.digest }}"}]),
        "targets[0].template: line 1: there is no 'digest' (tried with a sample of uploadChart)",
    ),
]


@pytest.mark.parametrize(("policy", "beginning"), ERRORS)
def test_an_error_has_the_same_words_alone_and_in_a_whole_file(
    tmp_path: Path, policy: object, beginning: str
) -> None:
    errors, _ = assert_same(tmp_path, policy)
    assert [error for error in errors if error.startswith(beginning)], errors


@pytest.mark.parametrize(
    ("policy", "beginning"),
    [
        (a_policy(event_types=["REPLICATION", "pushImage"]), "event_types: REPLICATION: accepted, but never"),
        (a_policy(event_types=["scanningFailed"]), "event_types: nothing of this happens"),
        (a_policy(targets=[KEEL]), "targets[0].payload_format: this looks like the address of Keel"),
        (a_policy(targets=[a_target(auth_header="${TOKEN}")]), "targets[0].auth_header: holds ${…}"),
        (
            a_policy(targets=[CDEVENTS]),
            "targets[0].payload_format: CDEvents has no event type for projectQuota",
        ),
    ],
)
def test_a_notice_has_the_same_words_too(tmp_path: Path, policy: Json, beginning: str) -> None:
    _, notices = assert_same(tmp_path, policy)
    assert [notice for notice in notices if notice.startswith(beginning)], notices


def test_a_policy_for_all_projects_and_one_of_the_default_project(tmp_path: Path) -> None:
    assert assert_same(tmp_path, a_policy(repositories=["other/x"]), "*") == ([], [])
    assert assert_same(tmp_path, a_policy(repositories=["nginx"]), "library") == ([], [])
    elsewhere = check_policy(a_policy(repositories=["nginx"]), project="hub", default_project="hub")
    assert elsewhere.errors == ()


def test_what_can_be_used_is_what_the_whole_file_has(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("Bearer sekrit\n")
    certificate = write_certificate(tmp_path)
    target = a_target(
        auth_header_file="token",
        headers={"X-Team": "a", "X-Key": {"value_file": "token"}},
        client_cert_file=str(certificate.path),
        client_key_file=str(certificate.key_path),
        secret=None,
    )
    policy = a_policy(event_types=["PUSH_ARTIFACT"], tags=["v*"], retry_waits_s=[1.5], targets=[target, HOOK])
    assert assert_same(tmp_path, policy) == ([], [])


_NAMES = sorted(
    {*PolicySection.model_fields, *TargetSection.model_fields, *BodySignatureSection.model_fields}
)
_WORDS = st.sampled_from(
    [
        *_NAMES,
        *map(str, EventType),
        "*",
        "http://h",
        "prj/x",
        "Template",
        "Default",
        "slack",
        "{{ x }}",
        "harbor.yml",
    ]
)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | _WORDS | st.text("aé:{\n", max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=4),
    max_leaves=12,
)
_TARGETS = st.fixed_dictionaries({}, optional=dict.fromkeys(TargetSection.model_fields, _VALUES))
_POLICIES = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(PolicySection.model_fields, _VALUES)
    | {"name": st.just("ci"), "targets": st.lists(_TARGETS | st.just(HOOK), max_size=2)},
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(policy=_POLICIES | _VALUES.filter(lambda value: value is not None))
def test_any_values_are_the_same_both_ways(tmp_path: Path, policy: object) -> None:
    assert_same(tmp_path, policy)


@pytest.mark.parametrize(
    "target",
    [
        HOOK,
        KEEL,
        {},
        a_target(typ="http"),
        a_target(secret="!"),
        a_target(headers={"Host": "x"}),
        TEMPLATE,
        CDEVENTS,
    ],
)
def test_a_target_alone_says_what_it_says_in_its_policy(target: Json) -> None:
    there, alone = check_policy(a_policy(targets=[target]), project="prj"), check_target(target)
    for of_policy, of_target in ((there.errors, alone.errors), (there.notices, alone.notices)):
        assert [(f"targets[0].{diagnostic.where}", diagnostic.what) for diagnostic in of_target] == [
            (diagnostic.where, diagnostic.what) for diagnostic in of_policy
        ]
    assert there.value is None or there.value.targets == (alone.value,)


def test_a_target_alone_is_tried_for_the_events_of_its_policy() -> None:
    target = {**TEMPLATE, "template": "{{ event.chart_name | tojson }}"}
    assert check_target(target, event_types=["uploadChart"]).value
    (error,) = check_target(target).errors
    assert (error.where, "tried with a sample of pushImage" in error.what) == ("template", True)
    (error,) = check_target(5).errors
    assert (error.where, error.what) == ("", "must hold keys and values")


def test_a_stranger_has_no_file_read(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("sekrit")
    for keys, where in (
        ({"auth_header_file": "token"}, "auth_header_file"),
        ({"template_file": "token", "payload_format": "Template"}, "template_file"),
        ({"ca_file": "token"}, "ca_file"),
        ({"body_signature": {"secret_file": "token"}}, "body_signature.secret_file"),
        ({"headers": {"X-Key": {"value_file": "token"}}}, "headers.X-Key"),
    ):
        found = check_target(a_target(**keys))
        assert [(said.where, said.what) for said in found.errors] == [
            (where, "names a file, which harbor.yml alone may do")
        ]
    trusted = check_target(a_target(auth_header_file="token"), folder=tmp_path).value
    assert trusted
    assert trusted.auth_header.reveal() == "sekrit"


@pytest.mark.parametrize(
    ("policy", "where", "what"),
    [
        (a_policy(name="a\ud800"), "name", "holds half of a character"),
        (
            a_policy(targets=[{**TEMPLATE, "template": "'\udfff'"}]),
            "targets[0].template",
            "holds half of a character",
        ),
        (a_policy(tags=[["v"]] * 2), "tags[0]", "must be text"),
    ],
)
def test_what_json_may_hold_and_yaml_may_not_is_an_error(policy: Json, where: str, what: str) -> None:
    found = check_policy(policy, project="prj").errors
    assert [said for said in found if said.where == where and said.what.startswith(what)], found


def test_what_is_nested_without_end_is_an_error() -> None:
    deep: Json = {}
    for _ in range(5000):
        deep = {"a": deep}
    found = check_policy(a_policy(tags=deep), project="prj").errors
    assert any("is nested too deeply" in said.what for said in found)


def test_no_remark_shows_a_secret() -> None:
    policy = a_policy(targets=[a_target(auth_header="sekrit\n", secret="sekrit!", address="x://u:sekrit@h")])
    found = check_policy(policy, project="prj").errors
    assert len(found) == 3
    assert "sekrit" not in "".join(map(str, found))


def test_the_values_are_of_the_types_that_stages_take() -> None:
    assert isinstance(check_policy(a_policy(), project="prj").value, WebhookPolicy)
    assert isinstance(check_target(HOOK).value, Target)
