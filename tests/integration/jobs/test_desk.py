"""What callers do with jobs, on SQLite and on PostgreSQL; nobody works."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import msgspec
import psycopg
import pytest
from tests.support.jobs import TENANT, JobHouse
from tests.support.jobs_worker import KINDS
from tests.support.stores import Place
from tests.support.waiting import eventually

from headrace.clock import SystemClock
from headrace.errors import Conflict, InvalidRequest, NotFound, Overloaded
from headrace.ids import Ids
from headrace.jobs import desk as desk_module
from headrace.jobs.desk import JobDesk, Tenant
from headrace.jobs.events import Watchers
from headrace.jobs.job import Job
from headrace.jobs.outcome import Later
from headrace.jobs.requests import JobsWanted, NewJob
from headrace.jobs.shift import Ended, Shift
from headrace.settings.jobs import JobsSettings, QueueSettings
from headrace.store.records.records import Records

pytestmark = pytest.mark.heavy_on_postgresql

WAITS: Final = "SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"


@pytest.fixture
def house(place: Place) -> Iterator[JobHouse]:
    with JobHouse(place.url, place.folder) as house:
        yield house


def test_the_same_key_is_the_same_job(house: JobHouse) -> None:
    (job,) = house.submit("nothing", idempotency_key="k", input={"number": 1})
    assert house.submit("nothing", idempotency_key="k", input={"number": 1}) == [job]
    with pytest.raises(Conflict, match="belongs to job"):
        house.submit("nothing", idempotency_key="k", input={"number": 2})
    (other,) = house.submit("nothing", idempotency_key="k", tenant=Tenant("other"))
    assert other != job


def test_many_who_submit_the_same_at_once_have_one_job(house: JobHouse) -> None:
    house.ask(lambda desk, _: desk.look())
    found: list[str] = []

    def submit() -> None:
        found.extend(house.submit("nothing", idempotency_key="k"))

    threads = [threading.Thread(target=submit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_tenants_see_their_own(house: JobHouse) -> None:
    (job,) = house.submit("nothing", tenant=Tenant("other"))
    assert house.page() == []
    for ask in (house.find, house.cancel, house.retry):
        with pytest.raises(NotFound, match="There is no job"):
            ask(job)


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("tenant", [None, TENANT.name])
@pytest.mark.parametrize("state", ["", "waiting"])
def test_a_search_for_a_rare_kind_says_how_far_it_came_and_goes_on(
    house: JobHouse, monkeypatch: pytest.MonkeyPatch, order: Any, tenant: str | None, state: Any
) -> None:
    monkeypatch.setattr(desk_module, "WALK", 4)
    jobs = [
        *house.submit("steps", 1),
        *house.submit("nothing", 20),
        *house.submit("steps", 2),
        *house.submit("nothing", 3),
    ]
    found: list[str] = []
    after, cut = "", 0
    while True:
        wanted = JobsWanted(state=state, kind="steps", limit=2, after=after, order=order)
        page = house.ask(lambda desk, _, w=wanted: desk.search(w, tenant))
        found += [job.id for job in page.jobs]
        cut += page.searched_to_s is not None
        if page.next_after is None:
            break
        assert page.next_after != after
        after = page.next_after
    wanted_ids = [jobs[0], *jobs[21:23]]
    assert found == wanted_ids[:: 1 if order == "asc" else -1]
    assert cut == 26 // 5


def test_pages_go_on_where_the_last_one_ended(house: JobHouse) -> None:
    jobs = house.submit("nothing", 5)
    assert [job.id for job in house.page(limit=2)] == [jobs[4], jobs[3]]
    assert [job.id for job in house.page(limit=2, after=jobs[3])] == [jobs[2], jobs[1]]
    assert [job.id for job in house.page(limit=2, after=jobs[1], order="asc")] == jobs[2:4]
    house.cancel(jobs[2])
    assert [job.id for job in house.page(state="cancelled")] == [jobs[2]]
    waiting = house.page(state="waiting", order="asc", after=jobs[0])
    assert [job.id for job in waiting] == [jobs[1], jobs[3], jobs[4]]
    assert house.page(kind="steps") == house.page(queue="nowhere") == []


def test_no_more_are_taken_than_may_wait(house: JobHouse) -> None:
    async def overdo(desk: JobDesk, _: Records) -> None:
        desk.adopt(JobsSettings(waiting_max=3))
        for _n in range(3):
            await desk.submit(TENANT, NewJob("nothing"))
        with pytest.raises(Overloaded) as refused:
            await desk.submit(TENANT, NewJob("nothing"))
        assert refused.value.code == "queue_full"

    house.ask(overdo)


def test_only_what_failed_is_tried_again(house: JobHouse) -> None:
    (job,) = house.submit("nothing")
    with pytest.raises(Conflict, match="is waiting"):
        house.retry(job)
    house.cancel(job)
    assert house.retry(job).state == "waiting"


def test_lists_do_not_read_what_may_be_large(house: JobHouse) -> None:
    (job,) = house.submit("nothing", input={"number": 1})
    for wanted in (
        {},
        {"order": "asc"},
        {"state": "waiting"},
        {"state": "waiting", "order": "asc"},
    ):
        assert [(each.id, each.input) for each in house.page(**wanted)] == [(job, "")]
    assert house.find(job).input.startswith('{"number":1,')


class _WatchedDesk(JobDesk):
    """Counts looks at whole jobs; cancels its job after some looks at the version."""

    whole = looks = 0

    async def find(self, tenant: Tenant, job_id: str) -> Job:
        self.whole += 1
        return await super().find(tenant, job_id)

    async def version(self, job: Job) -> int | None:
        self.looks += 1
        if self.looks == 3:
            await super().cancel(TENANT, job.id)
        return await super().version(job)


def test_who_watches_reads_a_job_when_it_has_changed(house: JobHouse) -> None:
    async def watch(_: JobDesk, records: Records) -> None:
        clock = SystemClock()
        ids = Ids(clock.wall_s)
        desk = _WatchedDesk(records, KINDS, JobsSettings(), clock, ids, lambda: None)
        job = await desk.submit(TENANT, NewJob("nothing"))
        events = [each async for each in Watchers(desk, clock).stream(TENANT, job, 0)]
        assert [b'"cancelled"' in each for each in events] == [False, True]
        assert (desk.looks, desk.whole) == (3, 3)  # two by `cancel`, and one by the watcher

    house.ask(watch)


def test_what_is_cancelled_while_it_fails_is_not_tried_again(house: JobHouse) -> None:
    (job,) = house.submit("nothing")

    async def fail(desk: JobDesk, records: Records) -> None:
        shift = Shift(records, SystemClock(), "w")
        (claimed,) = await shift.claim("default", QueueSettings(), 9)
        await desk.cancel(TENANT, job)
        await shift.end([Ended(claimed, Later(0.0, "try_failed", "why"))])
        assert await desk.events(claimed, 0) == []

    house.ask(fail)
    found = house.find(job)
    assert (found.state, found.code, found.ended_s is None) == ("cancelled", "cancelled", False)


def test_what_is_cancelled_while_it_is_claimed_stays_so(house: JobHouse, place: Place) -> None:
    if place.dialect != "postgresql":
        pytest.skip("one writes at a time")
    (job,) = house.submit("nothing")
    limited = QueueSettings(concurrency_total=5)

    async def claim(_: JobDesk, records: Records) -> list[Job]:
        return await Shift(records, SystemClock(), "w").claim("default", limited, 9)

    with psycopg.connect(place.url) as canceller, ThreadPoolExecutor() as thread:
        canceller.execute("UPDATE headrace_jobs SET state = 'cancelled'")
        claimed = thread.submit(house.ask, claim)
        with psycopg.connect(place.url, autocommit=True) as looker:
            eventually(lambda: looker.execute(WAITS).fetchall())
        canceller.commit()
        assert claimed.result(60) == []
    assert house.find(job).state == "cancelled"


@pytest.mark.parametrize(
    ("new", "told"),
    [
        ({"kind": "sing"}, "No kind of job"),
        ({"kind": "nothing", "queue": "nowhere"}, "No queue 'nowhere'"),
        ({"kind": "nothing", "input": {"number": "x"}}, r"input\.number"),
        ({"kind": "nothing", "input": []}, "Expected `object`"),
        ({"kind": "nothing", "run_at": 1e12}, "more than a year ahead"),
        ({"kind": "nothing", "run_at": 1.0, "delay_s": 1.0}, "either `run_at` or `delay_s`"),
    ],
)
def test_what_cannot_be_a_job_is_refused(
    tmp_path_factory: pytest.TempPathFactory, new: dict[str, object], told: str
) -> None:
    async def submit(desk: JobDesk, _: Records) -> None:
        with pytest.raises(InvalidRequest, match=told):
            await desk.submit(TENANT, msgspec.convert(new, NewJob))

    with JobHouse("sqlite", tmp_path_factory.mktemp("jobs")) as house:
        house.ask(submit)
        assert house.page() == []
