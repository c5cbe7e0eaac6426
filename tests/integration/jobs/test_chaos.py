"""Workers are killed again and again: every job ends, and what was recorded is not done twice."""

import random
from collections import Counter

import pytest
from tests.support.jobs import TENANT, JobHouse
from tests.support.stores import Place
from tests.support.waiting import eventually

from headrace.jobs.desk import JobDesk
from headrace.jobs.job import Job
from headrace.jobs.requests import NewJob
from headrace.store.records.records import Records


def kill_while_open(house: JobHouse, share: int, kills: int, seed: int) -> None:
    """Kill a worker and start another, so many times or until all is done.

    Args:
        house: of the jobs.
        share: so many are done between one kill and the next.
        kills: how many there are at most.
        seed: of the choice of victims.
    """
    chance = random.Random(seed)
    workers = [house.start_worker(), house.start_worker()]
    for _ in range(kills):
        left = house.ask(count_open)
        if left == 0:
            return
        # What was done since says that it is time, on fast machines as on slow ones.
        enough = left - share
        eventually(lambda enough=enough: house.ask(count_open) <= enough, 120.0)  # type: ignore[misc]
        workers.pop(chance.randrange(len(workers))).kill()
        workers.append(house.start_worker())


async def count_open(_: JobDesk, records: Records) -> int:
    (row,) = await records.fetch("jobs.open", {"limit": 1_000_000})
    return int(row["jobs"])


def assert_sound(house: JobHouse, jobs: list[Job], kills: int) -> None:
    assert Counter(job.state for job in jobs) == {"succeeded": len(jobs)}
    # A kill is nobody's failure; a try may fail where the store is busy.
    assert sum(job.attempts - 1 for job in jobs) <= kills
    for job in jobs:
        if job.kind == "steps":
            times = [len(house.effects(job.id, f"step{at}")) for at in range(3)]
            # Twice only what a kill, or a failure, caught between its effect and its record.
            tries = job.losses + job.attempts - 1
            assert all(times), (job.id, times)
            assert sum(times) - 3 <= tries, (job.id, times, tries)
    assert sum(job.losses for job in jobs) <= kills * 64


def run(place: Place, nothing: int, steps: int, kills: int) -> None:
    queues = {"default": {"concurrency": 16}}
    with JobHouse(place.url, place.folder, queues=queues, lease_s=1.0) as house:

        async def submit(desk: JobDesk, _: Records) -> list[str]:
            made = [await desk.submit(TENANT, NewJob("nothing")) for _ in range(nothing)]
            wanted = {"seconds": 0.05}
            made += [await desk.submit(TENANT, NewJob("steps", wanted)) for _ in range(steps)]
            return [job.id for job in made]

        jobs = house.ask(submit)
        kill_while_open(house, max(1, steps // (3 * kills)), kills, seed=7)
        assert_sound(house, house.all_ended(jobs, 240.0), kills)


@pytest.mark.heavy
def test_jobs_outlive_their_workers(place: Place) -> None:
    run(place, nothing=60, steps=30, kills=3)


@pytest.mark.heavy
def test_many_jobs_outlive_many_workers(place: Place) -> None:
    run(place, nothing=1700, steps=300, kills=20)
