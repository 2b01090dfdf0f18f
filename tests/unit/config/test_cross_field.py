from pathlib import Path

import pytest

from tests.support.certificates import write_certificate
from tests.unit.config.conftest import Errors, Load, one_target

POLICY = "projects[0].webhook_policies[0]"


def _filtered(glob: str, project: str = "prj") -> str:
    text = one_target().replace("name: ci", f'name: ci\n        repositories: ["{glob}"]')
    return text.replace("name: prj", f'name: "{project}"')


@pytest.mark.parametrize(
    ("glob", "project"),
    [
        ("prj/app-*", "prj"),
        ("p*/x", "prj"),
        ("*/x", "prj"),
        ("**", "prj"),
        ("**/x", "prj"),
        ("other/x", "*"),
        ("x", "*"),
        ("nginx", "library"),
        ("library/nginx", "library"),
        ("{prj,other}/x", "prj"),
        ("{other/x,prj/y}", "prj"),
        ("{other,**}/x", "prj"),
        ("pr?/x", "prj"),
    ],
)
def test_filters_that_can_match(load_text: Load, glob: str, project: str) -> None:
    assert load_text(_filtered(glob, project)).policies[0].repositories == (glob,)


@pytest.mark.parametrize("glob", ["app-*", "other/x", "*", "PRJ/x", "{a,b}/x", "{prj,x}"])
def test_filters_that_match_nothing_are_errors(errors_of: Errors, glob: str) -> None:
    assert errors_of(_filtered(glob)) == [
        f"harbor.yml: {POLICY}.repositories[0]: matches nothing in project prj; full names begin with prj/"
    ]


@pytest.mark.parametrize(
    ("glob", "fault"),
    [
        ("prj/v[0-9]", "cannot have [ ] or \\; the wildcards are * ** ? and {a,b}"),
        ("prj/v\\\\*", "cannot have [ ] or \\; the wildcards are * ** ? and {a,b}"),
        ("prj/{a", "has a brace without its other half"),
        ("prj/a}", "has a brace without its other half"),
        ("prj/{a,{b}", "has a brace without its other half"),
    ],
)
def test_wildcards_that_there_are_not_are_errors(errors_of: Errors, glob: str, fault: str) -> None:
    assert errors_of(_filtered(glob)) == [f"harbor.yml: {POLICY}.repositories[0]: {fault}"]


def test_names_of_operators_may_have_brackets(load_text: Load) -> None:
    text = one_target().replace("name: ci", 'name: ci\n        operators: ["dependabot[bot]"]')
    assert load_text(text).policies[0].operators == ("dependabot[bot]",)


def test_names_are_unique_within_their_list(errors_of: Errors) -> None:
    policies = "[{name: a, targets: [{address: 'http://h'}]}, {name: a, targets: [{address: 'http://h'}]}]"
    errors = errors_of(f"projects: [{{name: p, webhook_policies: {policies}}}, {{name: q}}, {{name: p}}]\n")
    assert errors == [
        "harbor.yml: projects[2].name: is the name of entry 0 of this list too; choose another",
        "harbor.yml: projects[0].webhook_policies[1].name: is the name of entry 0 of this list too; choose another",
    ]


def test_the_same_policy_name_in_two_projects_is_fine(load_text: Load) -> None:
    policies = "[{name: a, targets: [{address: 'http://h'}]}]"
    loaded = load_text(
        f"projects: [{{name: p, webhook_policies: {policies}}}, {{name: q, webhook_policies: {policies}}}]\n"
    )
    assert [policy.id for policy in loaded.policies] == ["p/a", "q/a"]


def test_credentials_come_in_pairs(errors_of: Errors) -> None:
    assert errors_of("chart_repository: {url: 'http://c', password: x}\n") == [
        "harbor.yml: chart_repository.password: needs a username beside it"
    ]
    assert errors_of("chart_repository: {url: 'http://c', username: x}\n") == [
        "harbor.yml: chart_repository.username: needs a password or password_file beside it"
    ]


@pytest.mark.parametrize(
    ("proxy", "admin"), [(":5000", "127.0.0.1:5000"), ("127.0.0.1:8080", "127.0.0.1:8080")]
)
def test_two_listeners_need_two_ports(errors_of: Errors, proxy: str, admin: str) -> None:
    assert errors_of(f"listen: {{proxy: '{proxy}', admin: '{admin}'}}\n") == [
        "harbor.yml: listen.admin: is the same port as listen.proxy; choose another"
    ]


def test_one_port_on_two_addresses_is_fine(load_text: Load) -> None:
    loaded = load_text("listen: {proxy: '127.0.0.1:5000', admin: '127.0.0.2:5000'}\n")
    assert loaded.listen_admin == ("127.0.0.2", 5000)


@pytest.mark.parametrize("url", ["http://127.0.0.1:5000", "http://localhost:5000"])
def test_the_sidecar_is_not_its_own_upstream(errors_of: Errors, url: str) -> None:
    assert errors_of(minimal=f"hostname: x\nregistry: {{url: '{url}'}}\n") == [
        "harbor.yml: registry.url: is listen.proxy itself; name the address behind the sidecar"
    ]


def test_an_upstream_elsewhere_may_have_the_same_port(load_text: Load) -> None:
    loaded = load_text(minimal="hostname: x\nregistry: {url: 'http://10.0.0.7:5000'}\n")
    assert loaded.registry.url == "http://10.0.0.7:5000"


@pytest.mark.parametrize(
    "text", ["projects: 1", "projects: [1]", "projects: [{name: []}]", "listen: {proxy: 1}"]
)
def test_wrong_shapes_are_left_to_the_model(errors_of: Errors, text: str) -> None:
    (error,) = errors_of(text)
    assert "must" in error


@pytest.mark.parametrize(
    "name",
    [
        *("Host", "content-length", "Content-Type", "Transfer-Encoding", "Connection", "Authorization"),
        *("webhook-id", "Webhook-Timestamp", "webhook-signature", "X-Sidecar-Attempt", "x-sidecar-y"),
        *("X-GitHub-Event", "X-Gitlab-Event", "x-gogs-event", "X-Gitea-Event", "X-Event-Key"),
        *("X-Vss-ActivityId", "X Y", "X:Y", "Ü", "é", "x" * 256, "Upgrade", "Expect", "Content-Encoding"),
    ],
)
def test_header_that_cannot_be_sent_is_an_error(errors_of: Errors, name: str) -> None:
    (found,) = errors_of(one_target(headers=f'{{"{name}": x}}'))
    assert found.startswith("harbor.yml: projects[0].webhook_policies[0].targets[0].headers.")


@pytest.mark.parametrize("name", ["X-Api-Key", "User-Agent", "X-Registry-Type", "x_y", "X-Vssx"])
def test_other_headers_are_sent(load_text: Load, name: str) -> None:
    (target,) = load_text(one_target(headers=f"{{{name}: x}}")).policies[0].targets
    assert [header for header, _ in target.headers] == [name]


def test_one_header_in_two_spellings_is_an_error(errors_of: Errors) -> None:
    (found,) = errors_of(one_target(headers="{X-A: x, x-a: y}"))
    assert found.endswith("headers.x-a: is the same header as X-A; remove one of the two")


def test_every_header_that_is_wrong_is_named(errors_of: Errors) -> None:
    assert len(errors_of(one_target(headers='{Host: x, "a b": y, X-C: 1}'))) == 3


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ({"previous_secret": "d2hhdGV2ZXI="}, "previous_secret: needs the new secret beside it"),
        ({"client_key_file": "x"}, "client_key_file: needs client_cert_file beside it"),
        ({"client_cert_file": "x"}, "client_cert_file: needs client_key_file beside it"),
    ],
)
def test_what_needs_something_beside_it(errors_of: Errors, keys: dict[str, str], error: str) -> None:
    (found,) = errors_of(one_target(**keys))
    assert error in found


def test_files_that_would_do_nothing_are_errors(errors_of: Errors, tmp_path: Path) -> None:
    authority = str(write_certificate(tmp_path / "tls").path)
    (found,) = errors_of(one_target(ca_file=authority, skip_cert_verify="true"))
    assert "ca_file: has no effect with skip_cert_verify: true" in found
    (found,) = errors_of(one_target(ca_file=authority).replace("https:", "http:"))
    assert "ca_file: has no meaning for an address that begins with http://" in found


def test_exclusions_that_match_nothing_are_errors(errors_of: Errors) -> None:
    (found,) = errors_of(_filtered("other/x").replace("repositories:", "exclude_repositories:"))
    assert found.startswith(f"harbor.yml: {POLICY}.exclude_repositories[0]: matches nothing")


def test_a_target_may_have_an_id_of_its_own(load_text: Load) -> None:
    (policy,) = load_text(one_target(id="ci-1.x")).policies
    assert policy.target_ids == ("ci-1.x",)
    (policy,) = load_text(one_target()).policies
    assert policy.targets[0].id == ""


@pytest.mark.parametrize("identity", ["'a b'", "''", "-a", "a/b", "'a#0'", "a" * 65])
def test_an_id_that_no_target_can_have_is_an_error(errors_of: Errors, identity: str) -> None:
    assert errors_of(one_target(id=identity)) == [
        (
            f"harbor.yml: {POLICY}.targets[0].id: must be 1 to 64 letters, digits, dots, hyphens and underscores, "
            "and begin with a letter or digit"
        )
    ]


def test_an_id_is_that_of_one_target_of_a_policy(errors_of: Errors, load_text: Load) -> None:
    second = "          - {id: ci, address: 'https://other.example.com/'}\n"
    assert errors_of(one_target(id="ci") + second) == [
        f"harbor.yml: {POLICY}.targets[1].id: is the id of entry 0 of this list too; choose another"
    ]
    policy = f"      - {{name: cd, targets: [{second.strip().removeprefix('- ')}]}}\n"
    assert len(load_text(one_target(id="ci") + policy).policies) == 2
