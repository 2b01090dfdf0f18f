import json

from sidecar.proxy.refusals import Refused, refusal_body

REFUSED = Refused("no room", status=503, code="UNAVAILABLE")


def test_registry_clients_are_told_in_registry_words() -> None:
    assert json.loads(refusal_body(REFUSED, is_registry=True)) == {
        "errors": [{"code": "UNAVAILABLE", "message": "no room", "detail": None}]
    }


def test_chart_clients_are_told_in_chartmuseums_words() -> None:
    assert json.loads(refusal_body(REFUSED, is_registry=False)) == {"error": "no room"}
