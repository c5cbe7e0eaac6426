"""What the store, the broker and bugs may do between a message and its job."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.jobs import JobHouse
from tests.support.jobs_worker import KINDS
from tests.support.rabbitmq import Correspondent, Post, RabbitServer

from headrace.clock import SystemClock
from headrace.errors import Overloaded
from headrace.ids import Ids
from headrace.jobs.amqp.outbox import Outbox
from headrace.jobs.amqp.port import AmqpPort
from headrace.jobs.desk import JobDesk, Tenant
from headrace.jobs.job import Job
from headrace.jobs.requests import NewJob
from headrace.settings.amqp import AmqpSettings
from headrace.settings.jobs import JobsSettings
from headrace.settings.values import Secret
from headrace.store.faults import StoreBusy
from headrace.store.records.leases import RecordLeases
from headrace.store.records.open import open_records
from headrace.store.records.records import Records

GOOD = Post(json.dumps({"kind": "nothing"}).encode(), message_id="a")
LIMIT_S = 60.0


class Counter:
    """A desk in front of the real one, at which something happens."""

    def __init__(self, records: Records, happens: Callable[["Counter"], Awaitable[None]]) -> None:
        clock = SystemClock()
        ids = Ids(clock.wall_s)
        self.desk = JobDesk(records, KINDS, JobsSettings(), clock, ids, lambda: None)
        self.happens = happens
        self.asked = 0
        self.stored = asyncio.Event()

    async def submit(self, tenant: Tenant, new: NewJob) -> Job:
        self.asked += 1
        job = await self.desk.submit(tenant, new) if self.asked > 1 or self.is_late else None
        await self.happens(self)
        job = job or await self.desk.submit(tenant, new)
        self.stored.set()
        return job

    is_late = False


class Stage:
    """A queue of this test's own, and ports to it."""

    def __init__(self, broker: RabbitServer, folder: Path) -> None:
        self.house = JobHouse("sqlite", folder)
        folder.mkdir()
        name = f"p{abs(hash(str(folder)))}"
        self.settings = AmqpSettings(
            url=Secret(broker.url),
            queue=name,
            dead_letter_exchange=f"{name}.dead",
            results_exchange=f"{name}.results",
        )
        self.letters = Correspondent(broker.url)
        self.said: list[str] = []
        self.open = lambda: open_records("sqlite", folder, clock=SystemClock())

    def port(self, desk: Counter, records: Records) -> AmqpPort:
        clock = SystemClock()

        def say(level: str, event: str, about: str = "", **fields: object) -> None:
            self.said.append(event)

        outbox = Outbox(records, clock, events=True)
        leases = RecordLeases(records, clock, f"{id(desk)}")
        return AmqpPort(self.settings, desk, outbox, leases, say, chance=lambda: 0.0)

    def run(self, work: Callable[[Records], Awaitable[Any]]) -> Any:
        async def whole() -> Any:
            records = self.open()
            try:
                async with asyncio.timeout(LIMIT_S):
                    return await work(records)
            finally:
                await records.close()

        return asyncio.run(whole())


@pytest.fixture
def stage(broker: RabbitServer, tmp_path: Path) -> Stage:
    return Stage(broker, tmp_path / "house")


async def until(is_so: Callable[[], object]) -> None:
    while not is_so():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def test_a_message_waits_until_the_store_is_back(stage: Stage) -> None:
    async def busy(counter: Counter) -> None:
        if counter.asked == 1:
            raise StoreBusy("Too many wait.")
        if counter.asked == 2:
            raise Overloaded("Too much has yet to be done.", code="queue_full")

    async def work(records: Records) -> int:
        desk = Counter(records, busy)
        port = stage.port(desk, records)
        port.start()
        await desk.stored.wait()
        await until(lambda: port.counts.taken)
        await port.close()
        assert port.counts.refused == 0
        return desk.asked

    stage.letters.send(stage.settings.queue, GOOD)
    assert stage.run(work) == 3
    assert "jobs_amqp_waits" in stage.said
    assert len(stage.house.page()) == 1
    assert stage.letters.waiting(stage.settings.queue) == 0


def test_who_dies_between_store_and_acknowledgement_has_made_one_job(stage: Stage) -> None:
    async def work(records: Records) -> None:
        stuck = asyncio.Event()

        async def stall(counter: Counter) -> None:
            if counter.asked == 1:
                stuck.set()
                await asyncio.Event().wait()

        first = Counter(records, stall)
        first.is_late = True  # what happens does so once the job is stored
        port = stage.port(first, records)
        port.start()
        await stuck.wait()
        assert port._link is not None
        await port._link._connection.close()  # without a word about the message
        other = stage.port(Counter(records, nothing), records)
        other.start()
        await until(lambda: other.counts.taken + port.counts.taken)
        await asyncio.gather(port.close(), other.close())
        assert other.counts.taken + port.counts.taken == 1

    stage.letters.send(stage.settings.queue, GOOD)
    stage.run(work)
    assert len(stage.house.page()) == 1
    assert stage.letters.waiting(stage.settings.queue) == 0


def test_a_bug_puts_its_message_aside(stage: Stage) -> None:
    async def bug(counter: Counter) -> None:
        if counter.asked == 1:
            raise ZeroDivisionError("a bug")

    async def work(records: Records) -> None:
        desk = Counter(records, bug)
        port = stage.port(desk, records)
        port.start()
        await until(lambda: port.counts.refused and port.counts.taken)
        await port.close()

    stage.letters.send(stage.settings.queue, GOOD, Post(GOOD.body, message_id="b"))
    stage.run(work)
    (dead,) = stage.letters.read(f"{stage.settings.queue}.dead")
    assert dead.headers["headrace-reason"] == "bug"
    assert "ZeroDivisionError" in dead.headers["headrace-detail"]


async def nothing(counter: Counter) -> None:
    """All goes well."""
