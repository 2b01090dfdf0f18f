import pytest

from sidecar.model.admission import Denied


@pytest.mark.parametrize("status", [400, 403, 413, 429, 503, 507, 599])
def test_a_denial_may_have_any_status_that_refuses(status: int) -> None:
    assert Denied(status=status, code="DENIED", message="no room").status == status


@pytest.mark.parametrize("status", [0, 100, 200, 302, 399, 600])
def test_a_status_that_refuses_nothing_is_no_denial(status: int) -> None:
    with pytest.raises(ValueError, match="does not refuse"):
        Denied(status=status, code="DENIED", message="no room")
