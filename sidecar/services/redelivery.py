"""Sends the same deliveries again; the running sidecar picks them up within seconds.

Named ones whatever their state, including delivered ones, or all that failed in a time range. They may use all
their attempts again. Unencoded ones are encoded with the current template.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from sidecar.config import Settings
from sidecar.services.database import writing_to
from sidecar.services.deliveries import resolve
from sidecar.services.reencode import reencode
from sidecar.store.history import FAILED, Chosen, History
from sidecar.store.redelivery import find_all_unencoded, find_unencoded, redeliver, redeliver_all


@dataclass(frozen=True, slots=True, kw_only=True)
class Redelivered:
    """The result of a redelivery."""

    number: int  #: deliveries that are sent again
    unencoded: Mapping[UUID, str] = field(
        default_factory=dict
    )  #: deliveries that still cannot be encoded, with the reason; not sent


def redeliver_named(settings: Settings, beginnings: Iterable[str]) -> Redelivered:
    """Send the deliveries again whose ids begin like that: all of them or none.

    Raises NotFound, RequestInvalid, StoreUnavailable. Blocks on the database, and on templates.
    """
    with writing_to(settings) as connection:
        history = History(connection)
        found = dict.fromkeys([resolve(history, beginning) for beginning in beginnings])
        unencoded = reencode(connection, find_unencoded(connection, found), settings)
        return Redelivered(number=redeliver(connection, found, at=datetime.now(UTC)), unencoded=unencoded)


def redeliver_failed(
    settings: Settings,
    *,
    since: datetime,
    until: datetime | None = None,
    policy: str = "",
    on_progress: Callable[[int, int], None] = lambda _number, _total: None,
) -> Redelivered:
    """Send all again that were given up or cancelled in a time range, the oldest first.

    until         None: until now
    policy        only those of this policy, by its id; "" for all
    on_progress   called at the start with 0, then after each transaction with its number of deliveries, and
                  with the total; an exception that it raises stops the rest, between two transactions

    Many deliveries take minutes: each transaction is followed by an equally long pause, so that the sidecar's own
    writer never waits long. Raises StoreUnavailable. Blocks all that time.
    """
    now = datetime.now(UTC)
    chosen = Chosen(policy_id=policy, states=FAILED, since=since, until=until or now)
    with writing_to(settings) as connection:
        unencoded = reencode(connection, find_all_unencoded(connection, chosen), settings)
        total, number = History(connection).count(chosen), 0
        on_progress(0, total)
        for more in redeliver_all(connection, chosen, at=datetime.now(UTC)):
            number += more
            on_progress(more, total)
    return Redelivered(number=number, unencoded=unencoded)
