import json
from dataclasses import replace
from datetime import timedelta, timezone
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given

from sidecar.formats import FormatContext, NotEncodable, cdevents, unsupported_types
from sidecar.model.event import Chart, Event, EventType
from sidecar.policies.target import PayloadFormat
from tests.unit.formats.samples import (
    CHART_TYPES,
    CONTEXT,
    DIGEST,
    IMAGE_TYPES,
    an_event,
    contexts,
    events,
)

HEX = DIGEST.removeprefix("sha256:")
UNSUPPORTED = (EventType.SCAN_COMPLETED, EventType.SCAN_FAILED, EventType.QUOTA_EXCEED)


def document(event: Event, context: FormatContext = CONTEXT) -> dict[str, Any]:
    made = json.loads(cdevents.encode(event, context).body)
    assert isinstance(made, dict)
    return made


def purl(event: Event, context: FormatContext = CONTEXT) -> str:
    return str(document(event, context)["data"]["subject"]["id"])


def test_push() -> None:
    payload = cdevents.encode(an_event(), CONTEXT)
    assert payload.content_type == "application/cloudevents+json"
    subject = f"pkg:oci/app@sha256%3A{HEX}?repository_url=registry.example.com/prj/app&tag=v1"
    about = {
        "id": "4b2f89a6-548d-4c12-9993-a1f5790b97d2",
        "source": "https://registry.example.com",
        "type": "dev.cdevents.artifact.published.0.3.0",
    }
    assert json.loads(payload.body) == {
        "specversion": "1.0",
        **about,
        "subject": subject,
        "datacontenttype": "application/json",
        "time": "2026-01-02T03:04:05.678Z",
        "data": {
            "context": {"specversion": "0.5.1", **about, "timestamp": "2026-01-02T03:04:05.678Z"},
            "subject": {"id": subject, "content": {"user": "alice"}},
        },
    }


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (EventType.IMAGE_PUSH, "dev.cdevents.artifact.published.0.3.0"),
        (EventType.CHART_PUSH, "dev.cdevents.artifact.published.0.3.0"),
        (EventType.IMAGE_PULL, "dev.cdevents.artifact.downloaded.0.2.0"),
        (EventType.CHART_PULL, "dev.cdevents.artifact.downloaded.0.2.0"),
        (EventType.IMAGE_DELETE, "dev.cdevents.artifact.deleted.0.2.0"),
        (EventType.CHART_DELETE, "dev.cdevents.artifact.deleted.0.2.0"),
    ],
)
def test_type(kind: EventType, name: str) -> None:
    assert document(an_event(kind))["type"] == name


def test_scans_and_quotas_alone_are_not_supported() -> None:
    assert unsupported_types(PayloadFormat.CDEVENTS) == set(UNSUPPORTED)
    for form in set(PayloadFormat) - {PayloadFormat.CDEVENTS}:
        assert not unsupported_types(form)


@pytest.mark.parametrize("kind", UNSUPPORTED)
def test_what_is_not_supported_is_not_made_up(kind: EventType) -> None:
    with pytest.raises(NotEncodable, match=f"^CDEvents has no event type for {kind}$"):
        cdevents.encode(an_event(kind), CONTEXT)


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        pytest.param(
            {"tag": ""},
            f"pkg:oci/app@sha256%3A{HEX}?repository_url=registry.example.com/prj/app",
            id="no tag",
        ),
        pytest.param(
            {"digest": ""}, "pkg:oci/app?repository_url=registry.example.com/prj/app&tag=v1", id="no digest"
        ),
        pytest.param(
            {"repository": "Prj/team/My_App"},
            f"pkg:oci/my_app@sha256%3A{HEX}?repository_url=registry.example.com/Prj/team/My_App&tag=v1",
            id="small letters in the name alone",
        ),
        pytest.param(
            {"repository": "busybox"},
            f"pkg:oci/busybox@sha256%3A{HEX}?repository_url=registry.example.com/busybox&tag=v1",
            id="no project in the name",
        ),
        pytest.param(
            {"digest": f"sha512:{HEX * 2}"},
            f"pkg:oci/app@sha512%3A{HEX * 2}?repository_url=registry.example.com/prj/app&tag=v1",
            id="another algorithm",
        ),
    ],
)
def test_purl_of_an_image(about: dict[str, Any], expected: str) -> None:
    assert purl(an_event(**about)) == expected


def test_delete_by_digest_names_the_first_of_its_tags() -> None:
    event = an_event(EventType.IMAGE_DELETE, tag="", tags=("v1", "stable"))
    assert purl(event).endswith("/prj/app&tag=v1")


def test_port_of_the_registry_is_in_the_purl_as_clients_write_it() -> None:
    context = replace(CONTEXT, hostname="10.0.0.1:5000", external_url="http://10.0.0.1:5000/")
    assert "?repository_url=10.0.0.1:5000/prj/app&tag=v1" in purl(an_event(), context)
    chart = an_event(EventType.CHART_PULL)
    assert purl(chart, context) == "pkg:helm/web@1.2.3?repository_url=http://10.0.0.1:5000/prj"


def a_chart(name: str, version: str, path: str) -> Event:
    chart = Chart(name=name, version=version, type="application", size_bytes=1, path=path)
    return an_event(EventType.CHART_PUSH, chart=chart, tag=version, repository=f"prj/{name}")


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        pytest.param(
            a_chart("web", "1.2.3+b4", "/prj/charts/web-1.2.3+b4.tgz"),
            "pkg:helm/web@1.2.3%2Bb4?repository_url=https://registry.example.com/prj",
            id="build metadata",
        ),
        pytest.param(
            a_chart("web", "1.2.3", "/charts/web-1.2.3.tgz"),
            "pkg:helm/web@1.2.3?repository_url=https://registry.example.com",
            id="no tenants",
        ),
        pytest.param(
            a_chart("charts", "1.2.3", "/helm/org/charts/charts/charts-1.2.3.tgz"),
            "pkg:helm/charts@1.2.3?repository_url=https://registry.example.com/helm/org/charts",
            id="a tenant called charts",
        ),
        pytest.param(
            a_chart("web", "1.2.3", "/a%26b+c/charts/web-1.2.3.tgz"),
            "pkg:helm/web@1.2.3?repository_url=https://registry.example.com/a%2526b%2Bc",
            id="a tenant of any characters",
        ),
        pytest.param(
            a_chart("web", "", "/prj/charts/web-.tgz"),
            "pkg:helm/web?repository_url=https://registry.example.com/prj",
            id="no version",
        ),
        pytest.param(
            a_chart("grün @?&#", "1", "/prj/charts/gr%C3%BCn-1.tgz"),
            "pkg:helm/gr%C3%BCn%20%40%3F%26%23@1?repository_url=https://registry.example.com/prj",
            id="any characters",
        ),
        pytest.param(
            a_chart("x\ud800", "1", "/prj/charts/x-1.tgz"),
            "pkg:helm/x%3F@1?repository_url=https://registry.example.com/prj",
            id="half a character",
        ),
        pytest.param(
            a_chart("web", "1.2.3+b4", ""),
            "pkg:helm/web@1.2.3%2Bb4?repository_url=oci://registry.example.com/prj",
            id="kept as an OCI artifact",
        ),
    ],
)
def test_purl_of_a_chart(event: Event, expected: str) -> None:
    assert purl(event) == expected


def test_image_event_of_an_oci_chart_is_of_the_artifact() -> None:
    chart = Chart(name="web", version="1.2.3+b4", type="application", size_bytes=1)
    event = an_event(repository="prj/web", tag="1.2.3_b4", chart=chart)
    assert purl(event).startswith(f"pkg:oci/web@sha256%3A{HEX}?")
    assert purl(event).endswith("/prj/web&tag=1.2.3_b4")


def test_chart_without_a_name_is_not_made_up() -> None:
    with pytest.raises(NotEncodable, match="the name of this chart is not known"):
        cdevents.encode(a_chart("", "", ""), CONTEXT)


@pytest.mark.parametrize("operator", ["jürgen 🚀", "robot$prj+ci", "a\nb", "\u2028<&>"])
def test_user(operator: str) -> None:
    assert document(an_event(operator=operator))["data"]["subject"]["content"] == {"user": operator}


def test_anonymous_user_is_left_out() -> None:
    assert document(an_event(operator=""))["data"]["subject"]["content"] == {}


def test_time_is_utc() -> None:
    elsewhere = an_event().occurred_at.astimezone(timezone(timedelta(hours=2)))
    assert document(an_event(occurred_at=elsewhere))["time"] == "2026-01-02T03:04:05.678Z"


@given(events(*IMAGE_TYPES, *CHART_TYPES), contexts())
def test_cloudevent_is_bound_as_the_specification_says(event: Event, context: FormatContext) -> None:
    ours = document(event, context)
    about, subject = ours["data"]["context"], ours["data"]["subject"]
    bound = (ours["id"], ours["source"], ours["type"], ours["time"], ours["subject"])
    assert bound == (about["id"], about["source"], about["type"], about["timestamp"], subject["id"])
    assert ours["id"] == str(event.id)
    assert ours["source"] == context.external_url


@given(events(*IMAGE_TYPES, *CHART_TYPES), contexts())
def test_purl_can_be_taken_apart_again(event: Event, context: FormatContext) -> None:
    head, _, tail = purl(event, context).partition("?")
    kind, _, rest = head.removeprefix("pkg:").partition("/")
    name, _, version = map(unquote, rest.partition("@"))
    qualifiers = {key: unquote(value) for key, _, value in (part.partition("=") for part in tail.split("&"))}
    if event.type in CHART_TYPES:
        assert event.chart
        assert (kind, name, version) == ("helm", event.chart.name, event.chart.version)
        assert qualifiers.keys() == {"repository_url"}
    else:
        assert (kind, version) == ("oci", event.digest)
        assert qualifiers["repository_url"] == f"{context.hostname}/{event.repository.full_name}"
        assert qualifiers["repository_url"].endswith(f"/{name}")
        assert qualifiers.get("tag", "") in ("", *event.tags)
