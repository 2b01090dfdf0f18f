"""Deliveries in a real SQLite store and a running dispatcher, for the tests of this folder."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from sidecar.dispatcher.dispatcher import Dispatcher, DispatcherSettings
from sidecar.model.delivery import Delivery, TargetKey
from sidecar.model.event import Event, EventType
from sidecar.model.names import repository_of
from sidecar.policies.policy import WebhookPolicy
from sidecar.policies.target import Target
from sidecar.queue.schedule import RetrySchedule
from sidecar.store.outbox import Outbox
from sidecar.store.sqlite import SqliteDatabase
from tests.support.rows import store_event

SHORT = DispatcherSettings(
    schedule=RetrySchedule(max_failures=3, waits_s=(0.05, 0.1)),
    timeout_s=2.0,
    trust_env=False,
    closing_grace_s=0.1,
)


@dataclass
class Bench:
    """Targets, one policy each, and what is stored for them."""

    database: SqliteDatabase
    outbox: Outbox
    policies: dict[TargetKey, tuple[WebhookPolicy, Target]] = field(default_factory=dict)
    enabled: bool = True
    changed: Callable[[], None] = lambda: None  #: tells the dispatcher that is running

    def add_target(self, address: str, **more: Any) -> TargetKey:
        key = TargetKey(policy_id=f"prj/{len(self.policies):04}", target_id="0")
        self.set_target(key, Target(address=address, **more))
        return key

    def set_target(self, key: TargetKey, target: Target, **more: Any) -> None:
        target = replace(target, id=key.target_id)
        policy = WebhookPolicy(id=key.policy_id, project="prj", name="ci", targets=(target,), **more)
        self.policies[key] = policy, target
        self.changed()

    def set_policy(self, identity: str, *addresses: str) -> list[TargetKey]:
        """A policy with these targets, instead of the one of that name."""
        targets = tuple(Target(address=address) for address in addresses)
        policy = WebhookPolicy(id=identity, project="prj", name="ci", targets=targets)
        self.policies = {key: found for key, found in self.policies.items() if key.policy_id != identity}
        keys = [TargetKey(policy_id=identity, target_id=own) for own in policy.target_ids]
        self.policies |= {key: (policy, target) for key, target in zip(keys, targets, strict=True)}
        self.changed()
        return keys

    def remove(self, key: TargetKey) -> None:
        del self.policies[key]
        self.changed()

    def switch(self, *, enabled: bool) -> None:
        self.enabled = enabled
        self.changed()

    def disable(self, key: TargetKey) -> None:
        policy, target = self.policies[key]
        self.policies[key] = replace(policy, enabled=False), target
        self.changed()

    async def store(self, *deliveries: Delivery, is_told: bool = True) -> None:
        """What the pipeline does with an event; the dispatcher is not told of those of another process."""

        def work(sql: Any) -> None:
            for delivery in deliveries:
                store_event(sql, _event_of(delivery), [delivery], next_attempt_at=delivery.created_at)

        await self.database.write(work)
        if is_told:
            self.outbox.stored(frozenset(delivery.target for delivery in deliveries))

    async def rows(self, columns: str, table: str = "deliveries") -> list[tuple[Any, ...]]:
        return await self.database.read(
            lambda sql: (
                sql.execute(f"SELECT {columns} FROM {table} ORDER BY rowid").fetchall()
                if table == "deliveries"
                else sql.execute(f"SELECT {columns} FROM {table} ORDER BY started_at").fetchall()
            )
        )

    async def states(self) -> list[str]:
        return [row[0] for row in await self.rows("state")]

    async def until(self, *states: str, within_s: float = 10) -> None:
        """Wait until the deliveries are in these states, in the order they were stored."""
        deadline = asyncio.get_running_loop().time() + within_s
        while (now := await self.states()) != list(states):
            assert asyncio.get_running_loop().time() < deadline, f"{now} is not {states}"
            await asyncio.sleep(0.01)

    async def until_counted(self, within_s: float = 30, **numbers: int) -> None:
        """Wait until so many deliveries are in each state."""
        deadline = asyncio.get_running_loop().time() + within_s
        while (now := await self._counts()) != numbers:
            assert asyncio.get_running_loop().time() < deadline, f"{now} is not {numbers}"
            await asyncio.sleep(0.02)

    async def _counts(self) -> dict[str, int]:
        return await self.database.read(
            lambda sql: dict(sql.execute("SELECT state, count(*) FROM deliveries GROUP BY state").fetchall())
        )


def a_delivery(
    target: TargetKey, *, repository: str = "prj/app", body: bytes = b"{}", **more: Any
) -> Delivery:
    fields: dict[str, Any] = {"content_type": "application/json", "created_at": datetime.now(UTC)} | more
    return Delivery(
        id=uuid4(),
        event_id=uuid4(),
        event_type=EventType.IMAGE_PUSH,
        target=target,
        repository=repository,
        body=body,
        **fields,
    )


def _event_of(delivery: Delivery) -> Event:
    return Event(
        id=delivery.event_id,
        type=delivery.event_type,
        occurred_at=delivery.created_at,
        operator="alice",
        repository=repository_of(delivery.repository, default_project="library"),
    )


@asynccontextmanager
async def a_bench(folder: Path) -> AsyncIterator[Bench]:
    database = SqliteDatabase(folder / "store.db")
    database.open()
    try:
        yield Bench(database, Outbox(database, run="bench"))
    finally:
        await asyncio.to_thread(database.close)


@asynccontextmanager
async def running(
    bench: Bench, settings: DispatcherSettings = SHORT, *, grace_s: float = 5, **more: Any
) -> AsyncIterator[Dispatcher]:
    dispatcher = Dispatcher(
        outbox=bench.outbox,
        targets=lambda: dict(bench.policies),
        is_enabled=lambda: bench.enabled,
        settings=settings,
        **more,
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(dispatcher.run())
        await asyncio.sleep(0)
        bench.changed = dispatcher.policies_changed
        try:
            yield dispatcher
        finally:
            bench.changed = lambda: None
            await dispatcher.stop(grace_s)


def seconds_ago(seconds: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=seconds)
