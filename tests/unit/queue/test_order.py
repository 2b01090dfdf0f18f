"""Order of a repository, and nothing lost."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.delivery import Delivery, TargetKey
from sidecar.queue.order import OrderedJobs
from tests.wire.delivery_bench import a_delivery

KEY = TargetKey(policy_id="prj/ci", target_id="0")


def some(*repositories: str) -> list[Delivery]:
    return [a_delivery(KEY, repository=name, body=b"%d" % number) for number, name in enumerate(repositories)]


@dataclass
class Play:
    """Sends everything, always finishing the delivery that has been under way longest."""

    order: OrderedJobs[Delivery]
    sent: list[Delivery] = field(default_factory=list)

    def run(self, at_once: int) -> list[Delivery]:
        under_way: list[Delivery] = []
        while True:
            while len(under_way) < at_once and (delivery := self.order.next()):
                assert delivery.repository not in {other.repository for other in under_way}
                under_way.append(delivery)
            if not under_way:
                return self.sent
            self.sent.append(under_way.pop(0))
            self.order.free(self.sent[-1].repository)


@given(st.lists(st.sampled_from("abcd"), max_size=40), st.integers(1, 8))
def test_everything_is_sent_once_and_in_order_per_repository(names: list[str], at_once: int) -> None:
    order, deliveries = OrderedJobs[Delivery](), some(*names)
    order.add(deliveries)
    sent = Play(order).run(at_once)
    for name in set(names):
        assert [d for d in sent if d.repository == name] == [d for d in deliveries if d.repository == name]
    assert len(sent) == len(deliveries)
    assert (order.waiting, order.ready, order.order_keys) == (0, 0, frozenset())


def test_draining_leaves_only_keys_with_one_under_way() -> None:
    order = OrderedJobs[Delivery]()
    order.add(some("a", "a", "b"))
    under_way = order.next()
    assert under_way
    assert [delivery.repository for delivery in order.drain()] == ["a", "b"]
    assert (order.waiting, order.ready, order.order_keys) == (0, 0, frozenset("a"))
    assert order.free("a")
    assert order.order_keys == frozenset()


def test_what_is_added_behind_one_under_way_waits_for_it() -> None:
    order = OrderedJobs[Delivery]()
    order.add(some("a"))
    order.next()
    order.add(some("a"))
    assert order.next() is None
    assert not order.free("a")
    assert order.next()
