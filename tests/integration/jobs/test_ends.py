"""Workers that are told to end, or killed, at any moment: nothing is left behind, nothing lost."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest
from tests.support.headrace_process import SOURCES
from tests.support.hearing import hears
from tests.support.jobs import JobHouse
from tests.support.postgres import PostgresServer
from tests.support.stores import Place
from tests.support.waiting import eventually

from headrace.jobs.embedded import COMMAND

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
END_S: Final = 60.0


def assert_ends(worker: "subprocess.Popen[bytes]", house: JobHouse) -> None:
    assert worker.wait(END_S) == 0, house.log
    assert "Traceback" not in house.log
    assert "bug" not in house.log.split()


def assert_nothing_left(house: JobHouse) -> None:
    """Nobody is believed to work, and no lock is there that somebody would have to look at."""
    assert house.ask(lambda _, records: records.fetch("jobs.workers")) == []
    lives = house.folder / "jobs" / "workers"
    assert not lives.exists() or list(lives.iterdir()) == []


@pytest.fixture
def house(place: Place) -> Iterator[JobHouse]:
    with JobHouse(place.url, place.folder) as house:
        yield house


@pytest.mark.parametrize("number", SIGNALS)
def test_who_is_told_to_end_while_it_begins_leaves_nothing(
    house: JobHouse, number: signal.Signals
) -> None:
    worker = house.start_worker()
    eventually(lambda: hears(worker.pid))
    worker.send_signal(number)
    assert_ends(worker, house)
    assert_nothing_left(house)


@pytest.mark.heavy
def test_who_is_told_to_end_while_others_keep_the_store_to_themselves_does(
    tmp_path: Path,
) -> None:
    with JobHouse("sqlite", tmp_path) as house:
        house.ask(lambda desk, _: desk.look())
        with closing(sqlite3.connect(tmp_path / "records.sqlite3")) as other:
            other.execute("BEGIN IMMEDIATE")
            worker = house.start_worker()
            eventually(lambda: hears(worker.pid))
            worker.send_signal(signal.SIGTERM)
            assert_ends(worker, house)
        assert_nothing_left(house)


@pytest.mark.heavy
def test_who_is_told_to_end_while_the_database_is_frozen_does_and_its_job_goes_on(
    server: PostgresServer, own_url: str, tmp_path: Path
) -> None:
    with JobHouse(own_url, tmp_path, grace_s=0.2) as house:
        worker = house.start_worker()
        (job,) = house.submit("steps", input={"seconds": 0.5})
        eventually(lambda: house.effects(job, "step0"))
        server.freeze()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(END_S) in (0, 1)
        server.thaw()
        house.start_worker()
        assert house.ended(job).state == "succeeded"


@pytest.mark.heavy
@pytest.mark.parametrize("number", SIGNALS)
def test_what_does_not_end_in_time_is_given_back(house: JobHouse, number: signal.Signals) -> None:
    worker = house.start_worker(grace_s=0.1)
    (job,) = house.submit("block")
    eventually(lambda: house.effects(job, "began"))
    worker.send_signal(number)
    assert_ends(worker, house)
    assert_nothing_left(house)
    found = house.find(job)
    assert (found.state, found.attempts) == ("delayed", 0)


def test_a_second_interrupt_waits_for_no_job(house: JobHouse) -> None:
    worker = house.start_worker(grace_s=3600)
    (job,) = house.submit("block")
    eventually(lambda: house.effects(job, "began"))
    worker.send_signal(signal.SIGINT)
    eventually(lambda: "jobs_worker_stopping" in house.log)
    worker.send_signal(signal.SIGINT)
    assert_ends(worker, house)
    assert_nothing_left(house)


@pytest.mark.heavy
def test_who_is_killed_while_it_ends_loses_nothing(house: JobHouse) -> None:
    worker = house.start_worker(grace_s=3600)
    (job,) = house.submit("steps", input={"seconds": 0.3})
    eventually(lambda: house.effects(job, "step0"))
    worker.send_signal(signal.SIGTERM)
    worker.kill()
    worker.wait()
    house.start_worker()
    assert house.ended(job).state == "succeeded"
    # A step whose record was written is not done again.
    assert len(house.effects(job, "step0")) <= 2


@pytest.mark.heavy
def test_who_has_no_place_to_work_hears_that_it_is_to_end(tmp_path: Path) -> None:
    with JobHouse("sqlite", tmp_path / "house", tmp_path) as house:
        (house.folder / "jobs").write_text("in the way")
        worker = house.start_worker()
        eventually(lambda: "jobs_no_place" in house.log, END_S)
        worker.send_signal(signal.SIGTERM)
        assert_ends(worker, house)


def test_an_embedded_worker_whose_gateway_died_before_it_said_what_to_do_ends_quietly() -> None:
    done = subprocess.run(
        [sys.executable, *COMMAND[1:]],
        input=b"",
        capture_output=True,
        timeout=END_S,
        env={**os.environ, "PYTHONPATH": SOURCES},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
