"""The same deliveries once more; the running sidecar sends them within seconds.

Named ones in whatever state, also those that have arrived, or all that failed in a time range. They have all
their tries again. A body that could not be made is made with the template of now.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from sidecar.config import Settings, wiring
from sidecar.services.database import writing_to
from sidecar.services.deliveries import resolve
from sidecar.services.reencode import reencode
from sidecar.store.history import FAILED, Chosen, History
from sidecar.store.redelivery import all_bodiless, bodiless, redeliver, redeliver_all


@dataclass(frozen=True, slots=True, kw_only=True)
class Redelivered:
    """What was done."""

    number: int  #: deliveries that are sent again
    unencoded: Mapping[UUID, str] = field(
        default_factory=dict
    )  #: why the body of these cannot be made; not sent


def redeliver_named(settings: Settings, beginnings: Iterable[str]) -> Redelivered:
    """Send those again whose ids begin like that: all of them, or nothing is done.

    Raises NotFound, RequestInvalid, StoreUnavailable. Blocks on the database, and on templates.
    """
    with writing_to(settings) as connection:
        history = History(connection)
        found = dict.fromkeys([resolve(history, beginning) for beginning in beginnings])
        unencoded = reencode(connection, bodiless(connection, found), wiring.pipeline_settings(settings))
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
    policy        only of this one, by its id; "" for all
    on_progress   told at the beginning with 0, and after each transaction with its number of deliveries, beside
                  the number of all that are meant; what it raises ends this between two transactions

    Many take minutes: after each transaction as long a pause, so that the sidecar's own writer never waits
    long. Raises StoreUnavailable. Blocks all that time.
    """
    now = datetime.now(UTC)
    chosen = Chosen(policy_id=policy, states=FAILED, since=since, until=until or now)
    with writing_to(settings) as connection:
        unencoded = reencode(connection, all_bodiless(connection, chosen), wiring.pipeline_settings(settings))
        total, number = History(connection).count(chosen), 0
        on_progress(0, total)
        for more in redeliver_all(connection, chosen, at=datetime.now(UTC)):
            number += more
            on_progress(more, total)
    return Redelivered(number=number, unencoded=unencoded)
