"""Targets tested over a real socket; certificates and the egress guard: tests/wire/test_command_line.py."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sidecar.config import Settings
from sidecar.model.errors import RequestInvalid
from sidecar.model.event import EventType
from sidecar.model.secrets import Secret
from sidecar.policies.policy import WebhookPolicy
from sidecar.policies.target import PayloadFormat, Target, TargetType
from sidecar.services.endpoints import (
    EndpointTest,
    endpoint_test_document,
    policy_of_one_target,
    run_endpoint_tests,
)
from tests.support.receiver import Answer, Receiver

PUSH = (EventType.IMAGE_PUSH,)


async def _tests(
    settings: Settings, policy: WebhookPolicy, types: tuple[EventType, ...] = PUSH
) -> list[EndpointTest]:
    return [test async for test in run_endpoint_tests(settings, policy, types)]


async def test_each_target_is_sent_its_samples_whatever_its_policy_filters(settings: Settings) -> None:
    with Receiver() as good, Receiver(lambda _: Answer(status=401, body=b"not s3kr1t")) as bad:
        targets = (
            Target(address=f"{good.url}/hook"),
            Target(address=bad.url, auth_header=Secret("s3kr1t")),
        )
        policy = replace(settings.policies[0], enabled=False, tags=("w*",), targets=targets)
        first, second = await _tests(settings, policy, (EventType.IMAGE_PUSH, EventType.CHART_PUSH))
        sent = [json.loads(received.body)["event_type"] for received in good.requests]
        assert bad.requests[0].header("Authorization") == "s3kr1t"
    assert sent == ["pushImage", "uploadChart"]
    assert (first.is_accepted, second.is_accepted) == (True, False)
    assert (first.seen, first.proxy, first.notice) == (None, "", "")
    document = endpoint_test_document(second)
    assert document["host"] == bad.url
    assert [(tried["status"], tried["accepted"], tried["excerpt"]) for tried in document["attempts"]] == [
        (401, False, "not ***")
    ] * 2
    assert document["attempts"][0]["address"] == f"127.0.0.1:{bad.port}"
    assert "s3kr1t" not in json.dumps(document)


async def test_what_cannot_be_sent_is_an_answer(settings: Settings) -> None:
    with Receiver() as receiver:
        broken = Target(
            address=receiver.url, payload_format=PayloadFormat.TEMPLATE, template="{{ event.nope | tojson }}"
        )
        unready = Target(address=receiver.url, secret=Secret("whsec_c2Vjcml0"))
        policy = replace(settings.policies[0], targets=(broken, unready))
        first, second = await _tests(settings, policy)
        assert len(receiver.requests) == 1
    assert endpoint_test_document(first)["attempts"][0]["error"].startswith("the template failed")
    assert (first.is_accepted, second.is_accepted) == (False, True)


async def test_the_certificate_is_seen_whether_or_not_it_is_accepted(
    settings: Settings, tmp_path: Path
) -> None:
    with Receiver(tls_in=tmp_path / "tls") as receiver:
        target = Target(address=receiver.url)
        policy = replace(settings.policies[0], targets=(target, replace(target, skip_cert_verify=True)))
        refused, skipped = await _tests(settings, policy)
    assert refused.seen
    assert skipped.seen
    assert not refused.is_accepted
    assert "certificate is not accepted" in refused.seen.fault
    assert skipped.is_accepted
    assert skipped.seen.fault == "skip_cert_verify is set"
    assert refused.seen.certificate == skipped.seen.certificate is not None
    documents = [endpoint_test_document(test)["certificate"] for test in (refused, skipped)]
    assert [document["verified"] for document in documents] == [False, False]


async def test_what_a_format_does_not_support_is_not_sent(settings: Settings) -> None:
    with Receiver() as receiver:
        policy = policy_of_one_target(settings, address=receiver.url, payload_format=PayloadFormat.CDEVENTS)
        (test,) = await _tests(settings, policy, (EventType.QUOTA_EXCEED,))
        assert receiver.requests == []
    assert (test.samples, test.unsent, test.seen) == ((), (EventType.QUOTA_EXCEED,), None)


async def test_a_receiver_that_is_known_has_its_notice(settings: Settings) -> None:
    with Receiver() as receiver:
        policy = policy_of_one_target(settings, address=f"{receiver.url}/v1/webhooks/harbor")
        (test,) = await _tests(settings, policy)
        chat = policy_of_one_target(
            settings, address=f"{receiver.url}/v1/webhooks/harbor", kind=TargetType.SLACK
        )
        (other,) = await _tests(settings, chat)
    assert "this looks like the address of Keel" in test.notice
    assert other.notice == ""


def test_a_policy_of_one_target_is_checked(settings: Settings) -> None:
    policy = policy_of_one_target(settings, address="http://h", secret="c2Vjcml0", skip_cert_verify=True)
    assert (policy.id, policy.project) == ("library/webhook-test", "library")
    (target,) = policy.targets
    assert (target.secret.reveal(), target.skip_cert_verify) == ("c2Vjcml0", True)


@pytest.mark.parametrize(
    ("address", "auth_header", "secret", "beginning"),
    [
        ("ftp://u:sekrit@h", "", "", "address must be"),
        ("http://h", "sekrit\n", "", "auth_header must be one line"),
        ("http://h", "", "sekrit!", "secret "),
    ],
)
def test_what_cannot_be_used_is_named_without_its_value(
    settings: Settings, address: str, auth_header: str, secret: str, beginning: str
) -> None:
    with pytest.raises(RequestInvalid) as caught:
        policy_of_one_target(settings, address=address, auth_header=auth_header, secret=secret)
    assert str(caught.value).startswith(beginning)
    assert "sekrit" not in str(caught.value)
