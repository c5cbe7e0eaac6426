"""The queue does what it promises, on SQLite and on PostgreSQL, with workers of their own."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import InternalError
from tests.support.jobs import JobHouse
from tests.support.stores import Place
from tests.support.waiting import eventually

from headrace.errors import Conflict, NotFound
from headrace.store.workflow_engine import WORKFLOWS_FILE, make_workflow_engine

pytestmark = pytest.mark.heavy_on_postgresql


@pytest.fixture
def house(place: Place) -> Iterator[JobHouse]:
    with JobHouse(place.url, place.folder) as house:
        yield house


def test_jobs_are_done_and_keep_their_results(house: JobHouse) -> None:
    jobs = [house.submit("nothing", input={"number": number})[0] for number in range(5)]
    house.start_worker()
    ended = house.all_ended(jobs)
    assert [(job.state, job.result) for job in ended] == [
        ("succeeded", str(number)) for number in range(5)
    ]
    assert all(job.attempts == 1 and job.share == 1.0 for job in ended)


def test_what_comes_first_is_priority_and_then_age(place: Place) -> None:
    with JobHouse(place.url, place.folder, queues={"default": {"concurrency": 1}}) as house:
        order = [("low", 1), ("normal", 2), ("high", 3), ("high", 4), ("normal", 5)]
        jobs = {
            number: house.submit("nothing", priority=priority, input={"number": number})[0]
            for priority, number in order
        }
        house.start_worker()
        house.all_ended(list(jobs.values()))
        began = {number: house.find(job).started_s or 0.0 for number, job in jobs.items()}
        assert sorted(began, key=lambda number: began[number]) == [3, 4, 2, 5, 1]


def test_a_try_that_fails_is_followed_by_others(house: JobHouse) -> None:
    house.start_worker()
    (job,) = house.submit("fail", input={"number": 2})
    ended = house.ended(job)
    assert (ended.state, ended.attempts) == ("succeeded", 3)
    assert len(house.effects(job, "tried")) == 3


def test_what_fails_for_good_is_a_dead_letter_with_its_reason(house: JobHouse) -> None:
    house.start_worker()
    (worn,) = house.submit("fail", input={"number": 9})
    (hopeless,) = house.submit("fail", input={"number": -1})
    assert house.ended(worn).reason == "The last of 3 tries failed: RuntimeError: try 3 failed"
    ended = house.ended(hopeless)
    assert (ended.code, ended.reason, ended.attempts) == ("hopeless", "It is of no use.", 1)
    assert {job.id for job in house.page(state="failed")} == {worn, hopeless}

    house.retry(hopeless)
    eventually(lambda: len(house.effects(hopeless, "tried")) == 2)


def test_recorded_steps_are_not_done_again(house: JobHouse) -> None:
    house.start_worker()
    (job,) = house.submit("steps", input={"number": 100})
    ended = house.ended(job)
    assert (ended.state, ended.result, ended.attempts) == ("succeeded", "[100,101,102]", 2)
    assert [len(house.effects(job, f"step{at}")) for at in range(3)] == [1, 1, 1]


@pytest.mark.heavy
def test_another_worker_goes_on_where_one_was_killed(house: JobHouse) -> None:
    first = house.start_worker()
    (job,) = house.submit("steps", input={"is_gated": True})
    eventually(lambda: house.effects(job, "step0"))
    first.kill()
    house.open_gate()
    house.start_worker()
    ended = house.ended(job)
    assert (ended.state, ended.result, ended.attempts) == ("succeeded", "[0,1,2]", 1)
    assert ended.losses == 1
    done = [house.effects(job, f"step{at}") for at in range(3)]
    # The one step whose record the kill may have cut off may have had its effect twice.
    assert all(1 <= len(times) <= 2 for times in done)
    assert sum(map(len, done)) <= 4
    assert first.pid not in done[2]


@pytest.mark.heavy
def test_a_frozen_worker_that_wakes_has_lost_its_jobs(house: JobHouse) -> None:
    first = house.start_worker()
    (job,) = house.submit("steps", input={"is_gated": True})
    eventually(lambda: house.effects(job, "step0"))
    house.freeze(first)
    house.open_gate()
    second = house.start_worker()
    ended = house.ended(job)
    first.send_signal(signal.SIGCONT)
    assert (ended.state, ended.losses, ended.result) == ("succeeded", 1, "[0,1,2]")
    eventually(lambda: "jobs_worker_given_up" in house.log)
    assert house.effects(job, "step2") == [second.pid]
    # It begins anew, under another name.
    eventually(lambda: house.log.count("jobs_worker_started") >= 3)
    assert house.find(job) == ended


def test_steps_wait_for_what_records_them(tmp_path: Path) -> None:
    with JobHouse("sqlite", tmp_path) as house:
        garbage = tmp_path / WORKFLOWS_FILE
        garbage.write_bytes(b"no database" * 1000)
        garbage.chmod(0o600)
        house.start_worker()
        (job,) = house.submit("steps")
        eventually(lambda: house.find(job).code == "store_unavailable")
        assert "not a database" in (house.find(job).reason or "")
        (other,) = house.submit("nothing")
        assert house.ended(other).state == "succeeded"
        garbage.unlink()
        ended = house.ended(job)
        assert (ended.state, ended.attempts, ended.result) == ("succeeded", 1, "[0,1,2]")


@pytest.mark.heavy
def test_who_is_frozen_in_a_transaction_of_steps_lets_others_on(
    own_url: str, tmp_path: Path
) -> None:
    frozen, other = (make_workflow_engine(own_url, tmp_path) for _ in range(2))
    with frozen.connect() as one, other.connect() as two:
        one.exec_driver_sql("SELECT pg_advisory_xact_lock(7)")
        two.exec_driver_sql("SELECT pg_advisory_xact_lock(7)")
        with pytest.raises(InternalError, match="idle-in-transaction"):
            one.exec_driver_sql("SELECT 1")


def test_a_job_that_waits_is_cancelled_at_once(house: JobHouse) -> None:
    (job,) = house.submit("nothing")
    assert house.cancel(job).state == "cancelled"
    assert house.cancel(job).state == "cancelled"
    house.start_worker()
    (other,) = house.submit("nothing")
    assert house.ended(other).state == "succeeded"
    assert house.find(job).attempts == 0
    with pytest.raises(Conflict, match="has ended already: it succeeded"):
        house.cancel(other)


@pytest.mark.parametrize("kind", ["sleep", "block"])
def test_a_job_that_runs_is_cancelled_in_the_middle(house: JobHouse, kind: str) -> None:
    house.start_worker()
    (job,) = house.submit(kind, input={"seconds": 600})
    eventually(lambda: house.effects(job, "began"))
    assert house.cancel(job).cancel_s is not None
    ended = house.ended(job)
    assert (ended.state, ended.code) == ("cancelled", "cancelled")
    if kind == "block":
        eventually(lambda: house.effects(job, "ended"))


@pytest.mark.heavy
def test_a_worker_that_is_stopped_gives_back_what_it_does(place: Place) -> None:
    with JobHouse(place.url, place.folder, grace_s=0.2) as house:
        first = house.start_worker()
        (job,) = house.submit("stall")
        eventually(lambda: house.effects(job, "began"))
        first.send_signal(signal.SIGTERM)
        assert first.wait(60) == 0
        assert house.find(job).state in ("delayed", "waiting")
        house.start_worker()
        ended = house.ended(job)
        assert (ended.state, ended.attempts, ended.losses) == ("succeeded", 1, 0)


def test_a_worker_that_is_stopped_ends_what_takes_little_time(house: JobHouse) -> None:
    first = house.start_worker(grace_s=60.0)
    (job,) = house.submit("sleep", input={"seconds": 0.5})
    eventually(lambda: house.effects(job, "began"))
    first.send_signal(signal.SIGTERM)
    assert first.wait(90) == 0
    assert house.find(job).state == "succeeded"


def test_a_job_that_takes_too_long_fails(house: JobHouse) -> None:
    house.start_worker()
    (job,) = house.submit("brief", input={"seconds": 60})
    ended = house.ended(job)
    assert (ended.state, ended.attempts) == ("failed", 3)
    assert "It took longer than 0.2 s" in (ended.reason or "")


def test_a_job_is_not_begun_before_its_time(house: JobHouse) -> None:
    (job,) = house.submit("nothing", delay_s=1.0)
    assert house.find(job).state == "delayed"
    house.start_worker()
    ended = house.ended(job)
    assert (ended.started_s or 0.0) >= ended.due_s


def test_a_queue_that_is_limited_keeps_to_its_limits(place: Place) -> None:
    limits = {"default": {"concurrency_total": 2, "concurrency": 8}}
    with JobHouse(place.url, place.folder, queues=limits) as house:
        jobs = house.submit("sleep", 6, input={"seconds": 0.3})
        house.start_worker()
        house.start_worker()
        house.all_ended(jobs)
        # By the jobs' own clock: a claim is stamped before it waits for the one that is to end.
        spans = [(house.effect_s(job, "began"), house.effect_s(job, "woke")) for job in jobs]
    at_once = [sum(began <= at < end for began, end in spans) for at, _ in spans]
    assert max(at_once) <= 2


@pytest.mark.heavy
def test_a_queue_begins_no_more_in_a_minute_than_it_may(place: Place) -> None:
    limits = {"default": {"per_minute": 60}}
    with JobHouse(place.url, place.folder, queues=limits) as house:
        jobs = house.submit("nothing", 13)
        house.start_worker()
        ended = house.all_ended(jobs)
    began = sorted(job.started_s or 0.0 for job in ended)
    assert began[9] == began[0]  # ten at once after a rest, and then one each second
    assert began[12] - began[0] >= 2.0


def test_files_stay_and_scratch_goes(house: JobHouse) -> None:
    house.start_worker()
    (job,) = house.submit("write")
    assert json.loads(house.ended(job).result or "") == {"file": "a file.txt"}
    folder = house.folder / "jobs" / job
    assert (folder / "files" / "a file.txt").read_text() == "kept"
    assert not (folder / "scratch").exists()


def test_old_jobs_are_forgotten_with_their_files(place: Place) -> None:
    with JobHouse(place.url, place.folder, keep_days=1e-6) as house:
        house.start_worker()
        (job,) = house.submit("write")

        def is_forgotten() -> bool:
            try:
                house.find(job)
            except NotFound:
                return True
            return False

        eventually(is_forgotten)
        assert not (house.folder / "jobs" / job).exists()
