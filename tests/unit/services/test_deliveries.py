import json
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest

from sidecar.config import Settings
from sidecar.dispatcher.attempt import request_headers
from sidecar.dispatcher.request import PreparedTarget, make_tls_contexts, prepare
from sidecar.model.delivery import DeliveryState, TargetKey
from sidecar.model.errors import NotFound, RequestInvalid
from sidecar.model.event import EventType
from sidecar.model.secrets import Secret
from sidecar.policies.target import Target
from sidecar.services.deliveries import (
    DeliveryStatus,
    delivery_document,
    identity_headers,
    list_deliveries,
    payload_of,
    show_delivery,
    states_named,
    whole_delivery_document,
)
from sidecar.store.away import AwayTarget, AwayTargets
from sidecar.store.disabled import hash_of
from sidecar.store.history import FAILED, Chosen, RecordedDelivery
from tests.support.builders import START
from tests.unit.store.test_history import CD, Shelf

KEY = TargetKey(policy_id="prj/ci", target_id="0")
MINUTE = timedelta(minutes=1)
AWAY = AwayTarget(target=KEY, address_hash="", since=START, until=START + 3 * MINUTE, reason="answered 503")
WAITING = RecordedDelivery(
    id=UUID(int=1),
    event_id=UUID(int=2),
    event_type=EventType.IMAGE_PUSH,
    target=KEY,
    position=0,
    project="prj",
    repository="prj/app",
    state=DeliveryState.WAITING,
    reason="",
    created_at=START,
    finished_at=None,
    next_attempt_at=START,
    failures=0,
    attempts=0,
    content_type="application/json",
    last_attempt=None,
)
KEYS = [
    *("id", "event_id", "event_type", "policy", "target", "project", "repository", "state", "reason"),
    *("created_at", "finished_at", "next_attempt_at", "target_away", "failures", "attempt_count"),
    "last_attempt",
]


def test_failed_is_a_word_for_two_states() -> None:
    assert states_named(None) == ()
    assert states_named("failed") == FAILED
    assert states_named("waiting") == (DeliveryState.WAITING,)
    with pytest.raises(RequestInvalid, match=r"'lost' is none of waiting, sending, .*, failed"):
        states_named("lost")


@pytest.mark.parametrize(
    ("due", "now", "expected"),
    [
        (START, START + MINUTE, AWAY.until),
        (START + 9 * MINUTE, START + MINUTE, START + 9 * MINUTE),
        (START, START + 4 * MINUTE, None),
    ],
)
def test_the_next_attempt_is_never_in_the_past(
    due: datetime, now: datetime, expected: datetime | None
) -> None:
    status = DeliveryStatus(position=0, recorded=replace(WAITING, next_attempt_at=due), away=AWAY)
    assert status.next_attempt_at(now=now) == expected


def test_of_a_target_that_is_there_its_own_time_counts() -> None:
    there = DeliveryStatus(position=0, recorded=WAITING, away=None)
    assert there.next_attempt_at(now=START - MINUTE) == START
    assert there.next_attempt_at(now=START + MINUTE) is None
    sending = DeliveryStatus(position=0, recorded=replace(WAITING, state=DeliveryState.SENDING), away=None)
    assert sending.next_attempt_at(now=START - MINUTE) is None


def test_only_what_waits_waits_for_its_target() -> None:
    assert DeliveryStatus(position=0, recorded=WAITING, away=AWAY).waits_for_target == AWAY
    ended = replace(WAITING, state=DeliveryState.DELIVERED)
    assert DeliveryStatus(position=0, recorded=ended, away=AWAY).waits_for_target is None


async def test_the_list_has_what_is_meant_and_who_is_away(settings: Settings, shelf: Shelf) -> None:
    mine, other = await shelf.keep(0), await shelf.keep(1, target=CD)
    digest = hash_of(settings.policies[0].targets[0].address)
    await AwayTargets(shelf.database).note(replace(AWAY, address_hash=digest))
    newest, oldest = list_deliveries(settings, Chosen(), limit=9)
    assert (newest.recorded.id, newest.away) == (other.id, None)
    assert oldest.recorded.id == mine.id
    assert oldest.away
    assert oldest.away.reason == "answered 503"
    assert list_deliveries(settings, Chosen(policy_id="prj/cd"), limit=9) == [newest]
    assert list_deliveries(settings, Chosen(), limit=1) == [newest]
    document = delivery_document(oldest, now=START)
    assert list(document) == KEYS
    assert document["next_attempt_at"] == document["target_away"]["until"] == "2026-01-02T03:07:05.000Z"
    json.dumps(document)


async def test_one_is_shown_with_its_attempts_and_its_payload(settings: Settings, shelf: Shelf) -> None:
    delivery = await shelf.keep()
    await shelf.end(delivery, DeliveryState.GIVEN_UP)
    whole = show_delivery(settings, str(delivery.id)[:13].upper())
    assert (whole.status.recorded.id, whole.body) == (delivery.id, b'{"a": 1}')
    assert [attempt.status for attempt in whole.attempts] == [500]
    document = whole_delivery_document(whole, now=START)
    assert list(document) == [*KEYS, "headers", "payload", "attempts"]
    assert (document["payload"], document["attempts"][0]["error"]) == ({"a": 1}, "answered 500")
    assert document["attempts"][0] == document["last_attempt"]
    assert document["headers"]["X-Sidecar-Delivery-Id"] == str(delivery.id)


async def test_an_id_that_names_none_or_several_is_said(settings: Settings, shelf: Shelf) -> None:
    for identity in ("abcd", "%%%%", "x' OR 1", str(uuid4())):
        with pytest.raises(NotFound, match="No delivery has an id that begins with"):
            show_delivery(settings, identity)
    with pytest.raises(RequestInvalid, match="abc is too short: at least 4 characters of an id"):
        show_delivery(settings, "abc")
    ids = [(await shelf.keep()).id for _ in range(2)]
    for number, stored in enumerate(ids):
        shelf.sql.execute(
            "UPDATE deliveries SET id = ? WHERE id = ?",
            (str(UUID(int=0xABCD << 112 | number)), str(stored)),
        )
    with pytest.raises(RequestInvalid, match="Several deliveries have ids that begin with abcd"):
        show_delivery(settings, "abcd")


async def test_headers_shown_are_those_that_are_sent_less_what_is_secret(shelf: Shelf) -> None:
    delivery = await shelf.keep()
    recorded = shelf.history.delivery(delivery.id)
    assert recorded
    target = Target(address="http://h", auth_header=Secret("t0ken"), secret=Secret("whsec_c2VjcmV0"))
    prepared = prepare(target, tls=make_tls_contexts(), environment={})
    assert isinstance(prepared, PreparedTarget)
    sent = request_headers(replace(delivery, attempts=0), prepared, at=START)
    shown = identity_headers(recorded)
    assert shown.items() <= sent.items()
    assert not {"Authorization", "webhook-signature"} & shown.keys()


@pytest.mark.parametrize(("body", "payload"), [(b'{"a":1}', {"a": 1}), (b"a: b", "a: b"), (b"\xff", "�")])
def test_a_payload_is_json_where_it_can_be(body: bytes, payload: object) -> None:
    assert payload_of(body) == payload
