"""What is in hand, and when there is more."""

from datetime import timedelta

from sidecar.queue.claims import Claims
from tests.unit.queue.errands import Errand, Errands, now

HOUR = timedelta(hours=1)
NOW = now() + HOUR  #: when all that is stored is due


def claims_of(errands: Errands) -> Claims[str, Errand]:
    return Claims("alice", errands, now=lambda: NOW, log_fields={})


async def test_a_full_claim_may_leave_more_and_the_next_one_says_when(errands: Errands) -> None:
    later = NOW + HOUR
    errands.store("alice", "baker", "grocer")
    errands.store("alice", "smith", due=later)
    claims = claims_of(errands)
    assert claims.wants_more(2)
    await claims.claim(2)
    assert (claims.ready, claims.has_more, claims.next_due) == (2, True, None)
    assert not claims.wants_more(2), "enough is in hand"
    assert claims.wants_more(4)
    await claims.claim(4)
    assert (claims.ready, claims.has_more, claims.next_due) == (2, False, later)
    assert claims.wait_s() == 3600


async def test_order_keys_in_hand_are_not_claimed_before_they_are_free(errands: Errands) -> None:
    errands.store("alice", "baker", "baker", "baker")
    claims = claims_of(errands)
    await claims.claim(1)
    assert claims.next()
    await claims.claim(4)
    assert (claims.next(), claims.has_more) == (None, False)
    claims.free("baker")
    assert claims.has_more, "those that the last claim skipped"
    await claims.claim(4)
    assert claims.next()


async def test_what_is_expected_first_counts(errands: Errands) -> None:
    claims, now = claims_of(errands), NOW
    assert claims.wait_s() == 0
    claims.expect(now + HOUR)
    claims.expect(None)
    claims.expect(now + 2 * HOUR)
    assert claims.next_due == now + HOUR
    claims.expect(now - HOUR)
    assert claims.wait_s() == 0


async def test_what_is_not_begun_is_given_back_and_what_was_dropped_too(errands: Errands) -> None:
    errands.store("alice", "baker", "baker", "grocer")
    claims = claims_of(errands)
    await claims.claim(4)
    begun = claims.next()
    assert begun
    assert claims.has_too_many(0)
    await claims.give_back()
    assert errands.states() == ["claimed", "waiting", "waiting"]
    assert not claims.has_too_many(0)
    await claims.give_back([begun])
    assert errands.states() == ["waiting"] * 3
