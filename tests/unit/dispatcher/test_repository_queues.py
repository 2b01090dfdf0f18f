"""Order of a repository, and nothing lost."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from sidecar.dispatcher.repository_queues import RepositoryQueues
from sidecar.model.delivery import Delivery, TargetKey
from tests.wire.delivery_bench import a_delivery

KEY = TargetKey(policy_id="prj/ci", index=0)


def some(*repositories: str) -> list[Delivery]:
    return [a_delivery(KEY, repository=name, body=b"%d" % number) for number, name in enumerate(repositories)]


@dataclass
class Play:
    """Sends everything, always finishing the delivery that has been on its way longest."""

    lanes: RepositoryQueues
    sent: list[Delivery] = field(default_factory=list)

    def run(self, at_once: int) -> list[Delivery]:
        under_way: list[Delivery] = []
        while True:
            while len(under_way) < at_once and (delivery := self.lanes.next()):
                assert delivery.repository not in {other.repository for other in under_way}
                under_way.append(delivery)
            if not under_way:
                return self.sent
            self.sent.append(under_way.pop(0))
            self.lanes.free(self.sent[-1].repository)


@given(st.lists(st.sampled_from("abcd"), max_size=40), st.integers(1, 8))
def test_everything_is_sent_once_and_in_order_per_repository(names: list[str], at_once: int) -> None:
    lanes, deliveries = RepositoryQueues(), some(*names)
    lanes.add(deliveries)
    sent = Play(lanes).run(at_once)
    for name in set(names):
        assert [d for d in sent if d.repository == name] == [d for d in deliveries if d.repository == name]
    assert len(sent) == len(deliveries)
    assert (lanes.unsent, lanes.ready, lanes.repositories) == (0, 0, frozenset())


def test_draining_leaves_only_lanes_with_one_on_its_way() -> None:
    lanes = RepositoryQueues()
    lanes.add(some("a", "a", "b"))
    under_way = lanes.next()
    assert under_way
    assert [delivery.repository for delivery in lanes.drain()] == ["a", "b"]
    assert (lanes.unsent, lanes.ready, lanes.repositories) == (0, 0, frozenset("a"))
    assert lanes.free("a")
    assert lanes.repositories == frozenset()


def test_what_is_added_behind_one_on_its_way_waits_for_it() -> None:
    lanes = RepositoryQueues()
    lanes.add(some("a"))
    lanes.next()
    lanes.add(some("a"))
    assert lanes.next() is None
    assert not lanes.free("a")
    assert lanes.next()
