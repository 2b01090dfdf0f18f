"""The refusals that tests replay (golden/refusals) are those of the real servers, which are asked again here."""

import pytest

from tests.support.refusals.__main__ import RECORDINGS, recorded
from tests.support.refusals.refusal import read, without_chance

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", RECORDINGS)
def test_servers_refuse_as_recorded(name: str) -> None:
    now = {told["when"]: without_chance(told) for told in recorded(name)}
    then = {told["when"]: without_chance(told) for told in read(name)}
    assert now == then
