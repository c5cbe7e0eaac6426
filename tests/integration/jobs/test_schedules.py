"""Schedules: each of their times has its job once, whatever becomes of workers and of the clock."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from tests.support.jobs import JobHouse
from tests.support.jobs_worker import CLOCK, KINDS
from tests.support.stores import Place
from tests.support.waiting import eventually

from headrace.clock import ManualClock
from headrace.ids import Ids
from headrace.jobs.desk import JobDesk, Tenant
from headrace.jobs.gauges import JobGauges
from headrace.jobs.requests import JobsWanted, NewJob
from headrace.jobs.upkeep import BEFORE_S, LATE_S, Schedules
from headrace.observe.cells import Cells
from headrace.observe.job_metrics import JobMetrics
from headrace.observe.layout import Layout
from headrace.observe.metrics import Metrics
from headrace.settings.jobs import JobsSettings, ScheduleSettings
from headrace.store.records.records import Records

pytestmark = pytest.mark.heavy_on_postgresql

MINUTE_S: Final = 60.0
HOUR_S: Final = 3600.0
DAY_S: Final = 86_400.0
TENANT: Final = Tenant("default")
DAILY: Final = {"daily": ScheduleSettings(cron="0 6 * * *", kind="nothing")}


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


class Town:
    """A store, its clock, and workers that keep schedules."""

    def __init__(self, records: Records, begins: str) -> None:
        self.clock = ManualClock(at(begins))
        self.records = records
        self.said: list[tuple[str, str]] = []
        self.desk = self._desk(JobsSettings())

    def _desk(self, settings: JobsSettings) -> JobDesk:
        ids = Ids(self.clock.wall_s)
        return JobDesk(self.records, KINDS, settings, self.clock, ids, lambda: None)

    def worker(
        self, schedules: dict[str, ScheduleSettings] | None = None, **more: Any
    ) -> Schedules:
        """One that begins now."""
        settings = JobsSettings(schedules=DAILY if schedules is None else schedules, **more)
        return Schedules(settings, self._desk(settings), self.clock, self._say)

    def _say(self, _level: str, event: str, about: str = "", **_fields: Any) -> None:
        self.said.append((event, about))

    async def times(self) -> list[str]:
        """The times that have a job, in order."""
        jobs, _ = await self.desk.page(TENANT, JobsWanted(limit=100))
        keys = [str(job.once_key) for job in jobs if job.once_key]
        seconds = sorted(float(key.rpartition(":")[2]) for key in keys)
        return [f"{datetime.fromtimestamp(each, UTC):%m-%d %H:%M}" for each in seconds]

    async def pass_time(self, seconds: float, *workers: Schedules, step_s: float = 30.0) -> None:
        """Let time pass, with the workers looking now and then."""
        passed_s = 0.0
        while passed_s < seconds:
            self.clock.advance(step_s)
            passed_s += step_s
            for worker in workers:
                await worker.step()


def play(
    place: Place, story: Callable[[Town], Awaitable[None]], begins: str = "2026-03-01 05:59:00"
) -> None:
    async def whole() -> None:
        async with place.records() as records:
            await story(Town(records, begins))

    asyncio.run(whole())


def test_two_workers_submit_each_time_once(place: Place) -> None:
    async def story(town: Town) -> None:
        both = town.worker(), town.worker()
        await town.pass_time(2 * DAY_S, *both, step_s=HOUR_S / 2)
        assert await town.times() == ["03-01 06:00", "03-02 06:00"]
        assert town.said == []

    play(place, story)


@pytest.mark.parametrize("changes", ["2026-03-29", "2026-10-25"])
def test_no_time_is_missing_or_there_twice_when_clocks_change_for_summer(
    place: Place, changes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")

    async def story(town: Town) -> None:
        half_past = {"s": ScheduleSettings(cron="30 0-3 * * *", kind="nothing")}
        await town.pass_time(DAY_S, town.worker(half_past), step_s=HOUR_S / 4)
        day = changes[5:]
        assert await town.times() == [f"{day} {hour:02}:30" for hour in range(4)]

    play(place, story, f"{changes} 00:00:00")


def test_a_time_that_comes_between_two_workers_is_made_up_for(place: Place) -> None:
    async def story(town: Town) -> None:
        town.worker()  # and it is gone
        town.clock.advance(MINUTE_S + BEFORE_S / 2)
        await town.worker().step()
        assert await town.times() == ["03-01 06:00"]
        for _ in range(2):  # whoever begins again finds it there
            await town.worker().step()
        assert len(await town.times()) == 1

    play(place, story)


def test_a_time_long_before_a_worker_began_is_missed(place: Place) -> None:
    async def story(town: Town) -> None:
        town.clock.advance(MINUTE_S + 2 * BEFORE_S)
        await town.pass_time(HOUR_S, town.worker())
        assert await town.times() == []

    play(place, story)


def test_of_times_that_a_worker_slept_through_the_last_one_is_made_up_for(place: Place) -> None:
    async def story(town: Town) -> None:
        often = {"often": ScheduleSettings(cron="*/10 * * * *", kind="nothing")}
        worker = town.worker(often)
        town.clock.advance(LATE_S * 0.75)
        await worker.step()
        assert await town.times() == ["03-01 06:40"]
        assert town.said == [("jobs_schedule_missed", "often")]
        town.clock.advance(DAY_S)
        await worker.step()
        assert await town.times() == ["03-01 06:40", "03-02 06:40"]

    play(place, story)


def test_what_is_too_late_is_missed_and_told(place: Place) -> None:
    async def story(town: Town) -> None:
        worker = town.worker()
        town.clock.advance(MINUTE_S + LATE_S + 1)
        await worker.step()
        assert await town.times() == []
        assert town.said == [("jobs_schedule_missed", "daily")]
        await town.pass_time(DAY_S, worker, step_s=MINUTE_S)
        assert await town.times() == ["03-02 06:00"]

    play(place, story)


def test_a_clock_that_was_ahead_and_is_put_back_leaves_no_silence(place: Place) -> None:
    async def story(town: Town) -> None:
        workers = town.worker(), town.worker()
        town.clock.jump(365 * DAY_S)
        for worker in workers:
            await worker.step()
        assert town.said == [("jobs_schedule_missed", "daily")] * 2
        town.clock.jump(-365 * DAY_S)
        await town.pass_time(DAY_S + HOUR_S, *workers, step_s=MINUTE_S)
        assert await town.times() == ["03-01 06:00", "03-02 06:00"]

    play(place, story)


def test_times_that_come_again_get_no_other_job(place: Place) -> None:
    async def story(town: Town) -> None:
        workers = town.worker(), town.worker()
        await town.pass_time(2 * MINUTE_S, *workers)
        for back_s in (0.5, MINUTE_S * 5, HOUR_S):
            town.clock.jump(-back_s)
            await town.pass_time(back_s + MINUTE_S, *workers)
        assert await town.times() == ["03-01 06:00"]
        assert town.said == []

    play(place, story)


def test_a_time_that_is_not_taken_for_now_is_submitted_later(place: Place) -> None:
    async def story(town: Town) -> None:
        worker = town.worker(waiting_max=1)
        other = await town.desk.submit(TENANT, NewJob("nothing"))
        await town.pass_time(10 * MINUTE_S, worker)
        assert await town.times() == []
        assert town.said == [("jobs_schedule_waits", "daily")]
        town.clock.jump(-1.0)  # what is due stays so
        await town.desk.cancel(TENANT, other.id)
        await town.pass_time(MINUTE_S, worker)
        assert await town.times() == ["03-01 06:00"]

    play(place, story)


def test_a_schedule_that_was_changed_goes_on_with_its_own_times(place: Place) -> None:
    async def story(town: Town) -> None:
        await town.pass_time(MINUTE_S + 10, town.worker(), step_s=10.0)
        numbered = ScheduleSettings(cron="0 6 * * *", kind="nothing", input='{"number": 7}')
        # That time has had its job, which was another one.
        await town.pass_time(MINUTE_S, town.worker({"daily": numbered}), step_s=10.0)
        assert await town.times() == ["03-01 06:00"]
        later = ScheduleSettings(cron="30 6 * * *", kind="nothing")
        await town.pass_time(HOUR_S, town.worker({"daily": later}))
        assert await town.times() == ["03-01 06:00", "03-01 06:30"]
        assert town.said == []

    play(place, story)


def test_what_is_refused_is_told_and_the_next_time_is_tried_again(place: Place) -> None:
    async def story(town: Town) -> None:
        nowhere = ScheduleSettings(cron="0 * * * *", kind="nothing", queue="nowhere")
        worker = town.worker({"nowhere": nowhere, **DAILY})
        await town.pass_time(2 * HOUR_S, worker)
        assert town.said == [("jobs_schedule_failed", "nowhere")] * 2
        assert await town.times() == ["03-01 06:00"]

    play(place, story)


def test_jobs_are_counted_again_after_a_clock_that_was_ahead(place: Place) -> None:
    async def story(town: Town) -> None:
        layout = Layout()
        cells = Cells(layout.size)
        metrics = Metrics(layout, cells.row(), cells.slots, town.clock)
        gauges = JobGauges(town.records, JobMetrics(metrics), town.clock)
        town.clock.jump(DAY_S)
        await gauges.step()
        town.clock.jump(-DAY_S)
        await gauges.step()
        town.clock.advance(1.0)
        job = await town.desk.submit(TENANT, NewJob("nothing"))
        await town.desk.cancel(TENANT, job.id)
        town.clock.advance(MINUTE_S)
        await gauges.step()
        assert cells.row()[metrics.jobs_ended.at("cancelled")] == 1

    play(place, story)


def test_jobs_that_ended_before_the_clock_was_put_back_are_counted_once(place: Place) -> None:
    async def story(town: Town) -> None:
        layout = Layout()
        cells = Cells(layout.size)
        metrics = Metrics(layout, cells.row(), cells.slots, town.clock)
        gauges = JobGauges(town.records, JobMetrics(metrics), town.clock)
        counted = list[float]()
        town.clock.jump(DAY_S)
        for jump_s in (-DAY_S / 2, -DAY_S / 2, 0.0, DAY_S, DAY_S):
            job = await town.desk.submit(TENANT, NewJob("nothing"))
            await town.desk.cancel(TENANT, job.id)
            town.clock.advance(MINUTE_S)
            await gauges.step()
            counted.append(cells.row()[metrics.jobs_ended.at("cancelled")])
            town.clock.jump(jump_s)
            await gauges.step()
            town.clock.advance(1.0)
        assert counted == [1, 2, 3, 4, 5]
        assert cells.row()[metrics.jobs_ended.at("cancelled")] == 5

    play(place, story)


@pytest.mark.heavy
def test_worker_processes_whose_clock_jumps_do_each_time_once(place: Place) -> None:
    every_minute = {"often": {"cron": "* * * * *", "kind": "nothing"}}
    with JobHouse(place.url, place.folder, schedules=every_minute) as house:
        for _ in range(2):
            house.start_worker()
        eventually(lambda: house.log.count("jobs_worker_started") >= 2, 60.0)
        for ahead in (timedelta(days=2), timedelta(days=1), timedelta(days=3)):
            before = len(house.page(limit=100))
            (house.folder / CLOCK).write_text(str(ahead.total_seconds()))
            eventually(lambda before=before: len(house.page(limit=100)) > before, 90.0)
        jobs = house.all_ended([job.id for job in house.page(limit=100)])
        assert {job.state for job in jobs} == {"succeeded"}
        keys = [job.once_key for job in jobs]
        assert len(keys) == len(set(keys)) >= 3
