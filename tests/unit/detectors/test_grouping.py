"""One event for one thing done: the request sequences of real clients (facts measured on the wire)."""

from datetime import timedelta

from sidecar.detectors.grouping import with_chart_events
from sidecar.model.event import Chart, EventType
from sidecar.model.exchange import Client, Facts, Outcome
from sidecar.model.names import Digest
from tests.support.builders import DOCKER, SKOPEO, Wire, a_digest, a_manifest, an_index, digest_of, parsed

IMAGE = a_manifest("image")
OTHER = a_manifest("other")
AMD64, ARM64, ATTESTATION = a_manifest("amd64"), a_manifest("arm64"), a_manifest("attestation")
INDEX = an_index([(AMD64, "linux/amd64"), (ARM64, "linux/arm64"), (ATTESTATION, "unknown")])


def kinds(wire: Wire) -> list[tuple[EventType, str]]:
    return [(event.type, event.tag) for event in wire.events]


def test_push_by_tag_is_raised_at_once(wire: Wire) -> None:
    wire.put("prj/app", "v1", IMAGE)
    (event,) = wire.events
    assert (event.type, event.tag, event.tags) == (EventType.IMAGE_PUSH, "v1", ("v1",))
    assert event.digest == digest_of(IMAGE)
    assert event.operator == "alice"
    assert event.size_bytes == len(IMAGE) + 310


def test_failed_push_raises_nothing(wire: Wire) -> None:
    wire.put("prj/app", "v1", IMAGE, status=400)
    wire.put("prj/app", digest_of(IMAGE), IMAGE, status=500)
    wire.after(seconds=60)
    assert wire.events == []


def test_multi_platform_push_is_one_event_with_platforms(wire: Wire) -> None:
    for child in (AMD64, ARM64, ATTESTATION):
        wire.put("prj/app", digest_of(child), child)
    wire.put("prj/app", "v1", INDEX)
    wire.after(seconds=120)
    (event,) = wire.events
    assert (event.type, event.tag) == (EventType.IMAGE_PUSH, "v1")
    assert event.platforms == ("linux/amd64", "linux/arm64")
    assert event.size_bytes == len(INDEX) + sum(len(m) + 310 for m in (AMD64, ARM64, ATTESTATION))


def test_nested_index_push_is_one_event_with_the_platforms_of_all_levels(wire: Wire) -> None:
    outer = an_index([(INDEX, "")])
    for child in (AMD64, ARM64, ATTESTATION, INDEX):
        wire.put("prj/app", digest_of(child), child)
    wire.put("prj/app", "v1", outer)
    wire.after(seconds=120)
    (event,) = wire.events
    assert event.digest == digest_of(outer)
    assert event.platforms == ("linux/amd64", "linux/arm64")


def test_push_by_digest_alone_is_raised_after_the_hold(wire: Wire) -> None:
    wire.put("prj/app", digest_of(IMAGE), IMAGE)
    wire.after(seconds=29)
    assert wire.events == []
    wire.after(seconds=2)
    (event,) = wire.events
    assert (event.type, event.tag, event.digest) == (EventType.IMAGE_PUSH, "", digest_of(IMAGE))


def test_push_by_digest_waits_while_its_repository_still_uploads(wire: Wire) -> None:
    wire.put("prj/app", digest_of(AMD64), AMD64)
    for _ in range(12):
        wire.after(seconds=20)
        wire.upload_blob("prj/app")
    wire.put("prj/app", digest_of(ARM64), ARM64)
    wire.put("prj/app", "v1", INDEX)
    wire.after(seconds=120)
    assert kinds(wire) == [(EventType.IMAGE_PUSH, "v1")]


def test_helm_push_is_one_event(wire: Wire) -> None:
    wire.put("prj/chart", digest_of(IMAGE), IMAGE)
    wire.get("prj/chart", digest_of(IMAGE), IMAGE)
    wire.put("prj/chart", "1.0.0", IMAGE)
    wire.after(seconds=120)
    assert kinds(wire) == [(EventType.IMAGE_PUSH, "1.0.0")]


def test_attached_manifests_raise_nothing(wire: Wire) -> None:
    signature = a_manifest("signature", subject=IMAGE)
    fallback = an_index([(signature, "")])
    wire.put("prj/app", "v1", IMAGE)
    wire.put("prj/app", digest_of(signature), signature)
    wire.put("prj/app", digest_of(IMAGE).replace(":", "-"), fallback)
    wire.put("prj/app", digest_of(IMAGE).replace(":", "-") + ".sig", OTHER)
    wire.after(seconds=120)
    assert kinds(wire) == [(EventType.IMAGE_PUSH, "v1")]


def test_push_of_a_digest_with_several_tags_is_one_event_for_each_tag_the_registry_named(wire: Wire) -> None:
    wire.put("prj/app", digest_of(IMAGE), IMAGE, oci_tags=("a", "b"))
    wire.after(seconds=120)
    assert kinds(wire) == [(EventType.IMAGE_PUSH, "a"), (EventType.IMAGE_PUSH, "b")]


def test_push_names_every_tag_known_for_the_digest(wire: Wire) -> None:
    wire.put("prj/app", "v1", IMAGE)
    wire.put("prj/app", "latest", IMAGE)
    assert wire.events[1].tag == "latest"
    assert wire.events[1].tags == ("latest", "v1")


def test_docker_pull_reports_the_tag(wire: Wire) -> None:
    wire.head("prj/app", "v1", IMAGE)
    wire.get("prj/app", digest_of(IMAGE), IMAGE)
    wire.fetch_blob("prj/app")
    assert wire.events == []
    wire.after(seconds=3)
    assert kinds(wire) == [(EventType.IMAGE_PULL, "v1")]
    assert wire.events[0].digest == digest_of(IMAGE)


def test_docker_pull_of_a_platform_is_one_event(wire: Wire) -> None:
    wire.head("prj/app", "v1", INDEX)
    wire.get("prj/app", digest_of(INDEX), INDEX)
    wire.get("prj/app", digest_of(AMD64), AMD64)
    wire.fetch_blob("prj/app")
    wire.after(seconds=60)
    assert kinds(wire) == [(EventType.IMAGE_PULL, "v1")]
    assert wire.events[0].digest == digest_of(INDEX)


def test_second_child_minutes_later_is_still_the_same_pull(wire: Wire) -> None:
    wire.get("prj/app", "v1", INDEX)
    wire.get("prj/app", digest_of(AMD64), AMD64)
    wire.fetch_blob("prj/app")
    wire.after(seconds=200)
    wire.get("prj/app", digest_of(ARM64), ARM64)
    wire.fetch_blob("prj/app")
    wire.after(seconds=60)
    assert kinds(wire) == [(EventType.IMAGE_PULL, "v1")]


def test_child_pulled_again_by_digest_is_a_pull_of_its_own(wire: Wire) -> None:
    wire.get("prj/app", "v1", INDEX)
    wire.get("prj/app", digest_of(AMD64), AMD64)
    wire.fetch_blob("prj/app")
    wire.after(seconds=60)
    wire.get("prj/app", digest_of(AMD64), AMD64)
    wire.after(seconds=60)
    assert kinds(wire) == [(EventType.IMAGE_PULL, "v1"), (EventType.IMAGE_PULL, "")]


def test_head_alone_is_no_pull(wire: Wire) -> None:
    wire.head("prj/app", "v1", IMAGE)
    wire.after(seconds=60)
    assert wire.events == []


def test_looking_again_right_after_a_pull_does_not_take_its_tag(wire: Wire) -> None:
    wire.head("prj/app", "v1", IMAGE)
    wire.get("prj/app", digest_of(IMAGE), IMAGE)
    wire.fetch_blob("prj/app")
    wire.head("prj/app", "v1", IMAGE)  # docker pull of what is here now
    wire.head("prj/app", "v2", IMAGE)
    wire.after(seconds=60)
    assert kinds(wire) == [(EventType.IMAGE_PULL, "v1")]


def test_untagging_is_about_that_tag_whatever_was_looked_at_before(wire: Wire) -> None:
    wire.put("prj/app", "v1", IMAGE)
    wire.head("prj/app", "v1", IMAGE)
    wire.delete("prj/app", "v2", facts=Facts(existed=True, digest=digest_of(IMAGE)))
    delete = wire.events[1]
    assert (delete.tag, delete.tags) == ("v2", ("v2",))


def test_a_tag_looked_at_that_is_not_deleted_is_not_named(wire: Wire) -> None:
    wire.head("prj/app", "moved", IMAGE)
    facts = Facts(existed=True, tags=("v1",), other_tags=frozenset({"moved"}))
    wire.delete("prj/app", digest_of(IMAGE), facts=facts)
    assert (wire.events[0].tag, wire.events[0].tags) == ("v1", ("v1",))


def test_pull_by_digest_has_no_tag_of_its_own_but_lists_what_is_known(wire: Wire) -> None:
    wire.put("prj/app", "v1", IMAGE)
    reader = wire.as_client(SKOPEO)
    reader.get("prj/app", digest_of(IMAGE), IMAGE)
    reader.fetch_blob("prj/app")
    reader.after(seconds=60)
    pull = wire.events[1]
    assert (pull.tag, pull.tags) == ("", ("v1",))


def test_another_clients_head_does_not_lend_its_tag(wire: Wire) -> None:
    wire.head("prj/app", "v1", IMAGE)
    stranger = wire.as_client(Client(address="10.9.9.9", operator="", user_agent="docker/20.10"))
    stranger.get("prj/app", digest_of(IMAGE), IMAGE)
    stranger.after(seconds=60)
    assert kinds(wire) == [(EventType.IMAGE_PULL, "")]


def test_two_pulls_in_a_row_are_two_events(wire: Wire) -> None:
    for _ in range(2):
        wire.get("prj/app", "v1", IMAGE)
        wire.fetch_blob("prj/app")
    wire.after(seconds=60)
    assert kinds(wire) == [(EventType.IMAGE_PULL, "v1")] * 2


def test_failed_or_interrupted_gets_raise_nothing(wire: Wire) -> None:
    wire.get("prj/app", "v1", IMAGE, status=404)
    wire.get("prj/app", "v1", IMAGE, status=304)
    wire.get("prj/app", "v1", IMAGE, outcome=Outcome.CLIENT_GONE)
    wire.after(seconds=60)
    assert wire.events == []


def test_copy_to_another_repository_is_a_pull_and_a_push(wire: Wire) -> None:
    wire.get("prj/app", "v1", IMAGE)
    wire.put("prj/copy", "v1", IMAGE)
    wire.after(seconds=60)
    assert kinds(wire) == [(EventType.IMAGE_PUSH, "v1"), (EventType.IMAGE_PULL, "v1")]


def test_read_back_of_a_push_is_no_pull_but_a_real_pull_of_it_is(wire: Wire) -> None:
    wire.put("prj/app", "v1", IMAGE)
    wire.get("prj/app", digest_of(IMAGE), IMAGE)
    wire.after(seconds=10)
    assert kinds(wire) == [(EventType.IMAGE_PUSH, "v1")]
    wire.put("prj/app", digest_of(IMAGE), IMAGE)
    wire.put("prj/app", "v1", IMAGE)
    wire.events.pop()
    wire.get("prj/app", digest_of(IMAGE), IMAGE)
    wire.fetch_blob("prj/app")
    wire.after(seconds=10)
    assert kinds(wire)[1:] == [(EventType.IMAGE_PULL, "")]


def test_docker_pulling_what_it_pushed_and_still_has_is_a_pull(wire: Wire) -> None:
    wire.put("prj/app", "v1", IMAGE)
    wire.head("prj/app", "v1", IMAGE)
    wire.get("prj/app", digest_of(IMAGE), IMAGE)
    wire.after(seconds=6)
    wire.get("prj/app", digest_of(IMAGE), IMAGE)
    wire.after(seconds=6)
    assert [event.type for event in wire.events[1:]] == [EventType.IMAGE_PULL] * 2


def test_skopeo_delete_is_one_delete_with_every_tag_and_the_size(wire: Wire) -> None:
    wire.get("prj/app", "v1", IMAGE)
    facts = Facts(existed=True, tags=("latest", "v1"), manifest=parsed(IMAGE))
    wire.delete("prj/app", digest_of(IMAGE), facts=facts)
    wire.after(seconds=60)
    (event,) = wire.events
    assert (event.type, event.tag, event.tags) == (EventType.IMAGE_DELETE, "v1", ("v1", "latest"))
    assert event.size_bytes == len(IMAGE) + 310


def test_get_before_a_refused_delete_is_no_pull_either(wire: Wire) -> None:
    wire.get("prj/app", "v1", IMAGE)
    wire.delete("prj/app", digest_of(IMAGE), facts=Facts(), status=405)
    wire.after(seconds=60)
    assert wire.events == []


def test_delete_without_look_up_uses_what_is_remembered(wire: Wire) -> None:
    wire.put("prj/app", "v1", INDEX)
    wire.delete("prj/app", digest_of(INDEX), facts=Facts())
    delete = wire.events[1]
    assert delete.tags == ("v1",)
    assert delete.size_bytes == len(INDEX)


def test_untagging_names_that_tag_only(wire: Wire) -> None:
    wire.put("prj/app", "v1", IMAGE)
    wire.put("prj/app", "v2", IMAGE)
    wire.delete("prj/app", "v1", facts=Facts(existed=True, digest=digest_of(IMAGE), manifest=parsed(IMAGE)))
    delete = wire.events[2]
    assert (delete.type, delete.tag, delete.tags) == (EventType.IMAGE_DELETE, "v1", ("v1",))
    assert delete.digest == digest_of(IMAGE)
    wire.put("prj/app", "v3", IMAGE)
    assert wire.events[3].tags == ("v3", "v2")


def test_moved_tag_does_not_belong_to_its_old_digest(wire: Wire) -> None:
    wire.put("prj/app", "v1", IMAGE)
    wire.put("prj/app", "v1", OTHER)
    wire.delete("prj/app", digest_of(IMAGE), facts=Facts())
    assert wire.events[2].tags == ()


def test_exact_mode_raises_what_harbor_would(wire: Wire) -> None:
    wire.holds = None
    for child in (AMD64, ARM64):
        wire.put("prj/app", digest_of(child), child)
    wire.put("prj/app", "v1", INDEX)
    wire.head("prj/app", "v1", INDEX)
    wire.get("prj/app", digest_of(INDEX), INDEX)
    push, pull = EventType.IMAGE_PUSH, EventType.IMAGE_PULL
    assert kinds(wire) == [(push, ""), (push, ""), (push, "v1"), (pull, "")]


def test_digest_comes_from_the_bytes_when_the_registry_names_none(wire: Wire) -> None:
    wire.put("prj/app", "v1", IMAGE)
    assert wire.events[0].digest == digest_of(IMAGE)
    wire.put("prj/app", "v2", IMAGE, content_digest=Digest(a_digest("word of the registry")))
    assert wire.events[1].digest == a_digest("word of the registry")


def test_unreadable_manifest_that_the_registry_took_is_still_a_push(wire: Wire) -> None:
    wire.put("prj/app", "v1", IMAGE)
    wire.put("prj/app", "v2", a_manifest("odd"), manifest=None)
    assert wire.events[1].tag == "v2"
    assert wire.events[1].size_bytes is None


def test_an_oci_chart_is_an_image_event_and_a_chart_event_where_wanted(wire: Wire) -> None:
    chart = a_manifest("chart", config_type="application/vnd.cncf.helm.config.v1+json")
    facts = Facts(chart=Chart(name="web", version="1.0.0+b1", type="application", size_bytes=99))
    wire.put("prj/web", "1.0.0_b1", chart, facts=facts)
    (event,) = wire.events
    assert with_chart_events(event, wanted=False) == (event,)
    image, chart_event = with_chart_events(event, wanted=True)
    assert image == event
    assert (chart_event.type, chart_event.tag) == (EventType.CHART_PUSH, "1.0.0+b1")
    assert chart_event.id != image.id


def test_clients_are_told_apart_by_name_as_well(wire: Wire) -> None:
    wire.get("prj/app", "v1", IMAGE)
    wire.as_client(SKOPEO).get("prj/app", "v1", IMAGE)
    wire.after(seconds=60)
    assert kinds(wire) == [(EventType.IMAGE_PULL, "v1")] * 2
    assert DOCKER != SKOPEO


def test_clock_that_goes_back_makes_nothing_be_held_longer(wire: Wire) -> None:
    wire.put("prj/app", digest_of(IMAGE), IMAGE)
    wire.upload_blob("prj/app")
    wire.get("prj/app", "v1", OTHER)
    wire.now -= timedelta(hours=1)
    wire.after(seconds=0)
    wire.after(seconds=3.1)
    assert kinds(wire) == [(EventType.IMAGE_PULL, "v1")]
    wire.after(seconds=27)
    assert kinds(wire)[1:] == [(EventType.IMAGE_PUSH, "")]


def test_push_by_digest_waits_for_an_upload_that_goes_on_after_the_clock_went_back(wire: Wire) -> None:
    wire.put("prj/app", digest_of(IMAGE), IMAGE)
    wire.now -= timedelta(hours=1)
    wire.after(seconds=0)
    wire.after(seconds=20)
    wire.upload_blob("prj/app")
    wire.after(seconds=29)
    assert wire.events == []
    wire.after(seconds=2)
    assert kinds(wire) == [(EventType.IMAGE_PUSH, "")]
