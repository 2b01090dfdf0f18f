"""Who hears of what, in which words: the whole program with several policies, projects and targets."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from standardwebhooks import Webhook

from tests.support.receiver import Answer, Receiver
from tests.support.servers import Sidecar
from tests.wire.test_command_line import Stage, _registry

OLD, NEW = ("whsec_" + base64.b64encode(letter * 24).decode() for letter in (b"o", b"n"))
Json = dict[str, Any]


@contextmanager
def a_stage(folder: Path, receiver: Receiver, projects: list[Json]) -> Iterator[Stage]:
    with (
        Receiver(_registry) as registry,
        Sidecar(folder / "sidecar", registry=registry.url, projects=projects) as sidecar,
    ):
        yield Stage(sidecar=sidecar, receiver=receiver, folder=folder)


def a_policy(name: str, *targets: Json, **filters: Any) -> Json:
    return {"name": name, "event_types": ["pushImage"], "targets": list(targets), **filters}


def heard(receiver: Receiver, number: int) -> set[tuple[str, str]]:
    """Path and repository:tag of each request."""
    return {(request.path, _artifact(request.json())) for request in receiver.wait_for(number)}


def _artifact(body: Json) -> str:
    (event,) = body["events"]
    return f"{event['full_name']}:{event['tag']}"


def test_many_policies_and_targets_each_hear_what_they_chose(tmp_path: Path) -> None:
    with Receiver() as receiver:
        url = receiver.url
        projects = [
            {"name": "*", "webhook_policies": [a_policy("all", {"address": f"{url}/all"})]},
            {
                "name": "prj",
                "webhook_policies": [
                    a_policy(
                        "releases",
                        {"address": f"{url}/releases-1"},
                        {"address": f"{url}/releases-2"},
                        tags=["v*"],
                        exclude_tags=["*-rc*"],
                        exclude_repositories=["prj/tmp"],
                    ),
                    a_policy("bob", {"address": f"{url}/bob"}, operators=["bob"]),
                    a_policy("alice", {"address": f"{url}/alice"}, operators=["a*", ""]),
                ],
            },
        ]
        with a_stage(tmp_path, receiver, projects) as stage:
            for repository, tag in (
                ("prj/app", "v1"),
                ("prj/app", "v1-rc1"),
                ("prj/tmp", "v1"),
                ("x/y", "v1"),
            ):
                stage.push(tag, repository)
            pushed = {"prj/app:v1", "prj/app:v1-rc1", "prj/tmp:v1"}
            expected = {("/all", artifact) for artifact in (*pushed, "x/y:v1")}
            expected |= {("/alice", artifact) for artifact in pushed}
            expected |= {("/releases-1", "prj/app:v1"), ("/releases-2", "prj/app:v1")}
            assert heard(receiver, len(expected)) == expected
            assert len(receiver.settle(quiet_s=0.5)) == len(expected)


def test_template_headers_and_both_signatures_of_a_target(tmp_path: Path) -> None:
    (tmp_path / "api-key").write_text("sekrit-api-key\n")
    with Receiver() as receiver:
        target = {
            "address": f"{receiver.url}/hook",
            "payload_format": "Template",
            "template": '{"text": {{ (event.full_name ~ ":" ~ event.tag ~ " by " ~ event.username) | tojson }}}',
            "headers": {"X-Team": "platform", "X-Api-Key": {"value_file": str(tmp_path / "api-key")}},
            "secret": NEW,
            "previous_secret": OLD,
        }
        projects = [{"name": "prj", "webhook_policies": [a_policy("chat", target)]}]
        with a_stage(tmp_path, receiver, projects) as stage:
            stage.push("v1")
            (request,) = receiver.wait_for(1)
            for secret in (NEW, OLD):
                verified = Webhook(secret).verify(request.body, dict(request.headers))
                assert verified == {"text": "prj/app:v1 by alice"}
            assert (request.header("X-Team"), request.header("X-Api-Key")) == ("platform", "sekrit-api-key")
            (tmp_path / "api-key").write_text("sekrit-new-key\n")  # noticed without a word
            stage.until(lambda: bool(stage.sidecar.logged("config.reloaded")))
            stage.push("v2")
            assert receiver.wait_for(2)[1].header("X-Api-Key") == "sekrit-new-key"
        assert "sekrit" not in "".join(stage.sidecar.log_lines())


def test_template_that_fails_for_one_event_loses_nothing(tmp_path: Path) -> None:
    with Receiver() as receiver:
        broken = '{% if event.tag == "odd" %}{{ event.nothing }}{% endif %}{"tag": {{ event.tag | tojson }}}'
        target = {"address": f"{receiver.url}/chat", "payload_format": "Template", "template": broken}
        policies = [a_policy("chat", target), a_policy("plain", {"address": f"{receiver.url}/plain"})]
        with a_stage(tmp_path, receiver, [{"name": "prj", "webhook_policies": policies}]) as stage:
            stage.push("odd")
            stage.push("v1", "prj/other")
            stage.until(lambda: len(receiver.requests) == 3)
            assert sorted(request.path for request in receiver.requests) == ["/chat", "/plain", "/plain"]
            (failed,) = stage.deliveries("--state", "given_up")
            assert "there is no 'nothing'" in failed["reason"]
            assert "is not sent: the template failed" in stage.run("redeliver", failed["id"], status=1)

            target["template"] = '{"mended": {{ event.tag | tojson }}}'
            stage.sidecar.reload()
            stage.until(lambda: bool(stage.sidecar.logged("config.reloaded")))
            stage.run("redeliver", "--failed", "--since", "1h")
            last = receiver.wait_for(4)[3]
            assert json.loads(last.body) == {"mended": "odd"}
            assert last.header("webhook-id") == failed["event_id"]


def test_gone_is_remembered_shown_and_ended_by_a_command(tmp_path: Path) -> None:
    with Receiver(lambda _: Answer(status=410)) as receiver:
        projects = [
            {"name": "prj", "webhook_policies": [a_policy("ci", {"address": f"{receiver.url}/t0ken"})]}
        ]
        with a_stage(tmp_path, receiver, projects) as stage:
            stage.push("v1")
            stage.until(lambda: bool(stage.deliveries("--state", "given_up")))
            stage.until(lambda: bool(_disabled(stage)))
            receiver.respond = lambda _: Answer()
            stage.sidecar.restart()
            stage.push("v2")
            stage.until(lambda: bool(stage.deliveries("--state", "cancelled")))
            (cancelled,) = stage.deliveries("--state", "cancelled")
            assert cancelled["reason"] == "the target answered 410 Gone"
            assert _disabled(stage)["reason"] == "the target answered 410 Gone"
            assert "410 Gone" in stage.run("policies")
            assert len(receiver.requests) == 1

            assert stage.run("enable-target", "prj/ci") == "1 target is used again.\n"
            assert _disabled(stage) is None
            assert stage.run("redeliver", "--failed", "--since", "1h") == "2 deliveries are sent again.\n"
            stage.until(lambda: len(stage.deliveries("--state", "delivered")) == 2)
        assert stage.sidecar.logged("target.disabled")


def _disabled(stage: Stage) -> Any:
    (policy,) = stage.read("policies")["policies"]
    return policy["targets"][0]["disabled"]
