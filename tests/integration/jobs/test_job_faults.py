"""Jobs while what they stand on gives way: the disk, the database, its server, and the clock."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.support.jobs import JobHouse
from tests.support.jobs_worker import CLOCK
from tests.support.postgres import PostgresServer, find_binaries
from tests.support.replication import Cluster, cluster
from tests.support.small_disk import fill, small_disk
from tests.support.stores import Place
from tests.support.waiting import eventually

from headrace.store.faults import StoreFault, StoreFull

pytestmark = pytest.mark.heavy_on_postgresql

DISK_BYTES = 8 * 1024 * 1024
DAY_S = 86_400.0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path, DISK_BYTES) as folder:
        yield folder


def assert_done(house: JobHouse, jobs: list[str], timeout_s: float = 90.0) -> None:
    """All of them succeed, and what happened meanwhile counts as no try."""
    ended = house.all_ended(jobs, timeout_s)
    assert {(job.kind, job.state, job.attempts) for job in ended} == {
        ("recorded", "succeeded", 1),
        ("nothing", "succeeded", 1),
    }, [(job, house.noted(job.id)) for job in ended if job.attempts > 1]


def submit_some(house: JobHouse, seconds: float = 0.1) -> list[str]:
    steps = house.submit("recorded", 6, input={"seconds": seconds})
    return steps + house.submit("nothing", 6)


def begun(house: JobHouse, jobs: list[str]) -> None:
    eventually(lambda: any(house.find(job).state == "running" for job in jobs), 60.0)


@pytest.mark.heavy
def test_jobs_go_on_once_a_full_disk_has_room_again(disk: Path, tmp_path: Path) -> None:
    with JobHouse("sqlite", disk, tmp_path) as house:
        house.start_worker()
        (first,) = house.submit("recorded")
        assert house.ended(first).state == "succeeded"
        jobs = submit_some(house, 0.5)
        begun(house, jobs)
        large = fill(disk)
        eventually(lambda: "jobs_store_failed" in house.log, 60.0)
        with pytest.raises(StoreFull):
            house.submit("nothing", input={"number": 10**15})
        large.unlink()
        assert_done(house, jobs)
        later = submit_some(house)
        assert_done(house, later)


@pytest.mark.heavy
def test_a_worker_that_starts_on_a_full_disk_works_once_there_is_room(
    disk: Path, tmp_path: Path
) -> None:
    with JobHouse("sqlite", disk, tmp_path) as house:
        jobs = submit_some(house)
        large = fill(disk)
        worker = house.start_worker()
        eventually(lambda: "jobs_store_failed" in house.log or worker.poll() is not None, 60.0)
        large.unlink()
        assert_done(house, jobs)
        assert worker.poll() is None


@pytest.mark.heavy
def test_a_worker_that_starts_on_a_disk_that_may_only_be_read_works_once_it_may_write(
    disk: Path, tmp_path: Path
) -> None:
    def remount(way: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{way}", disk], check=True)

    with JobHouse("sqlite", disk, tmp_path) as house:
        jobs = submit_some(house)
        remount("ro")
        worker = house.start_worker()
        eventually(lambda: "jobs_no_place" in house.log or worker.poll() is not None, 60.0)
        remount("rw")
        assert_done(house, jobs)
        assert worker.poll() is None


@pytest.mark.heavy
def test_jobs_go_on_once_the_database_takes_writes_again(own_url: str, tmp_path: Path) -> None:
    def set_read_only(setting: str) -> None:
        with psycopg.connect(own_url, autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = off")
            (name,) = connection.execute("SELECT current_database()").fetchone() or ("",)
            connection.execute(
                f'ALTER DATABASE "{name}" SET default_transaction_read_only = {setting}'.encode()
            )
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    with JobHouse(own_url, tmp_path) as house:
        house.start_worker()
        jobs = submit_some(house, 0.3)
        begun(house, jobs)
        set_read_only("on")
        eventually(lambda: "read-only" in house.log, 60.0)
        with pytest.raises(StoreFault, match="read-only"):
            house.submit("nothing")
        set_read_only("off")
        assert_done(house, jobs)


@pytest.mark.heavy
@pytest.mark.parametrize("way", ["kill", pytest.param("stop", marks=pytest.mark.heavy)])
def test_jobs_go_on_when_their_server_has_come_again(
    server: PostgresServer, own_url: str, tmp_path: Path, way: str
) -> None:
    with JobHouse(own_url, tmp_path) as house:
        house.start_worker()
        house.start_worker()
        jobs = submit_some(house, 0.3)
        begun(house, jobs)
        getattr(server, way)()
        eventually(lambda: "jobs_store_failed" in house.log, 60.0)
        server.start()
        assert_done(house, jobs, 150.0)
        later = submit_some(house)
        assert_done(house, later)


@pytest.fixture
def servers() -> Iterator[Cluster]:
    """A cluster of this test's own: it does not survive."""
    binaries = find_binaries()
    if binaries is None or not (binaries / "pg_basebackup").exists():
        pytest.skip("no PostgreSQL here that can make standbys")
    with cluster(binaries, 1) as found:
        yield found


@pytest.mark.heavy
def test_jobs_go_on_at_the_standby_that_takes_over(servers: Cluster, tmp_path: Path) -> None:
    # Only so does a commit that was told survive its server.
    servers.primary.ask("ALTER SYSTEM SET synchronous_standby_names = 'standby1'")
    servers.primary.ask("SELECT pg_reload_conf()")
    with JobHouse(servers.url_of_all("postgres"), tmp_path) as house:
        house.start_worker()
        jobs = submit_some(house, 0.3)
        begun(house, jobs)
        servers.primary.kill()
        servers.standbys[0].promote()
        assert_done(house, jobs, 150.0)
        later = submit_some(house)
        assert_done(house, later)


def test_what_no_database_takes_in_a_text_keeps_no_other_job_waiting(place: Place) -> None:
    with JobHouse(place.url, place.folder) as house:
        (odd,) = house.submit("odd")
        jobs = submit_some(house)
        house.start_worker()
        ended = house.ended(odd)
        assert (ended.state, ended.code) == ("failed", "odd\ufffd")
        assert ended.reason == "zero \ufffd, half ?"
        assert ended.doing in ("", ended.reason)  # a store that is busy is told nothing of it
        assert_done(house, jobs)


@pytest.mark.heavy
def test_a_try_that_was_put_off_while_the_clock_was_ahead_begins_when_it_is_right(
    place: Place,
) -> None:
    with JobHouse(place.url, place.folder, retry_s=60.0, retry_s_max=60.0) as house:
        (place.folder / CLOCK).write_text(str(DAY_S))
        house.start_worker()
        (job,) = house.submit("fail", input={"number": 1})
        (late,) = house.submit("nothing", delay_s=2 * DAY_S)
        eventually(lambda: house.effects(job, "tried") and house.find(job).state == "delayed", 60.0)
        (place.folder / CLOCK).write_text("0")
        assert house.ended(job).state == "succeeded"
        assert house.find(late).state == "delayed"  # that is what its caller wanted


@pytest.mark.heavy
@pytest.mark.parametrize("jump_s", [-10 * DAY_S, DAY_S / 2])
def test_jobs_under_way_outlive_a_clock_that_jumps(place: Place, jump_s: float) -> None:
    limits = {"default": {"concurrency": 4, "per_minute": 60_000}}
    with JobHouse(place.url, place.folder, queues=limits) as house:
        house.start_worker()
        house.start_worker()
        jobs = submit_some(house, 0.3)
        begun(house, jobs)
        (place.folder / CLOCK).write_text(str(jump_s))
        jobs += submit_some(house)
        assert_done(house, jobs)
        (place.folder / CLOCK).write_text("0")
        later = submit_some(house)
        assert_done(house, later)
