"""Gateways that end while jobs ask models through them: no try is lost by it, whatever ends first.

Their workers hear of it themselves, or learn it from their calls alone: refused where nobody
listens any more, answered that it is the end, or broken off without a word.
"""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import psutil
import pytest
from tests.support import headrace_process
from tests.support.gateway import Gateway
from tests.support.job_gateways import (
    KEY,
    Begin,
    ask,
    ended,
    question,
    read_events,
    submit,
    worker_of,
)
from tests.support.jobs import JobHouse
from tests.support.waiting import eventually

from headrace.jobs.desk import JobDesk
from headrace.sim.thread import ThreadedSim
from headrace.store.records.records import Records

SLOW: Final = {"x-sim-ttft-ms": "600000"}
APART: Final = {"poll_ms": 20, "retry_s": 0.05, "grace_s": 0.5, "embedded": False}
AT_ONCE: Final = {"drain_timeout_s": 0}
SUCCEEDED: Final = ("succeeded", 1)
CLAIMS_SEEN: Final = 4


def under_way(sim: ThreadedSim) -> None:
    """Wait until a job's call has reached the provider."""
    eventually(lambda: sim.stats().inflight)


def assert_done(gateway: Gateway, job: str) -> None:
    told = ended(gateway, job)
    assert (told["state"], told["attempts"]) == SUCCEEDED, read_events(gateway, job)


def put_off(gateway: Gateway, job: str) -> list[dict[str, Any]]:
    """Why tries of a job that has ended did not count, in order."""
    return [data for _, event, data in read_events(gateway, job) if event == "retry"]


async def running_jobs(_: JobDesk, records: Records) -> int:
    (row,) = await records.fetch("jobs.running", {"limit": 10})
    return int(row["jobs"])


def claims(house: JobHouse, job: str) -> int:
    """How often a job was claimed."""

    async def find(_: JobDesk, records: Records) -> int:
        (row,) = await records.fetch("jobs.find", {"id": job})
        return int(row["fence"])

    return house.ask(find)


def has_connection(worker: psutil.Process, gateway: Gateway) -> bool:
    port = urlsplit(gateway.url).port
    found = worker.net_connections("tcp")
    return any(each.raddr and each.raddr.port == port for each in found)


def refuses(gateway: Gateway) -> bool:
    """Whether nobody listens any more."""
    parts = urlsplit(gateway.url)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 0)).close()
    except ConnectionRefusedError:
        return True
    return False


@contextmanager
def suspended(process: psutil.Process) -> Iterator[None]:
    """It hears of nothing meanwhile, of its own end neither."""
    process.suspend()
    try:
        yield
    finally:
        process.resume()


@contextmanager
def worker_apart(gateway: Gateway) -> Iterator[None]:
    """One that nobody tells of the end of its gateway."""
    worker = headrace_process.start(
        *("jobs", "work", "--config", str(gateway.config_file), "--gateway", gateway.url),
        environment={**os.environ, "HEADRACE_KEY": KEY},
        folder=gateway.config_file.parent,
    )
    try:
        yield
    finally:
        assert headrace_process.told_to_end(worker) == 0


@pytest.mark.heavy
def test_a_killed_worker_is_replaced_and_its_job_goes_on(begin: Begin, sim: ThreadedSim) -> None:
    gateway = begin(pace={"x-sim-ttft-ms": "1500"})
    job = submit(gateway, "Say hello")
    worker = worker_of(gateway)
    under_way(sim)
    worker.kill()
    assert_done(gateway, job)


def test_a_killed_gateway_loses_no_job(begin: Begin, sim: ThreadedSim) -> None:
    gateway = begin(pace=SLOW)
    jobs = [submit(gateway, f"Say {number}") for number in range(5)]
    worker = worker_of(gateway)
    eventually(lambda: sim.stats().inflight == len(jobs))
    gateway.kill()
    second = begin()
    for job in jobs:
        assert_done(second, job)
    eventually(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)


@pytest.mark.parametrize(
    "wanted",
    [
        {"kind": "generate", "input": {"model": "m", "prompt": "Say hello"}},
        {"kind": "content", "input": {"model": "m", "topic": "Mills"}},
    ],
    ids=["plain", "recorded"],
)
def test_a_gateway_that_is_stopped_gives_back_what_its_worker_does(
    begin: Begin, sim: ThreadedSim, wanted: dict[str, Any]
) -> None:
    gateway = begin(pace=SLOW)
    status, job = ask(gateway, "/v1/jobs", wanted)
    assert status == 202
    worker = worker_of(gateway)
    under_way(sim)
    gateway.stop()
    assert not psutil.pid_exists(worker.pid)
    assert_done(begin(), job["id"])


def test_a_worker_that_hears_late_of_the_end_gives_back_what_was_cut_off(
    begin: Begin, sim: ThreadedSim
) -> None:
    gateway = begin(pace=SLOW, listen=AT_ONCE)
    job = submit(gateway, "Say hello")
    worker = worker_of(gateway)
    under_way(sim)
    with suspended(worker):
        gateway.signal(signal.SIGTERM)
        eventually(lambda: not sim.stats().inflight)  # its call is over
    assert gateway.wait_for_exit() == 0
    assert_done(begin(), job)


@pytest.mark.heavy
def test_a_job_that_asks_once_more_when_its_gateway_has_closed_loses_no_try(
    begin: Begin, sim: ThreadedSim
) -> None:
    gateway = begin(pace={"x-sim-ttft-ms": "5000"}, jobs={"poll_ms": 20, "grace_s": 30.0})
    # What is no script is asked for once more.
    fields = {"response_format": {"type": "text"}}
    wanted = {"kind": "content", "input": {"model": "m", "topic": "Mills", "fields": fields}}
    job = ask(gateway, "/v1/jobs", wanted)[1]["id"]
    worker = worker_of(gateway)
    under_way(sim)
    with suspended(worker):
        gateway.signal(signal.SIGTERM)
        eventually(lambda: refuses(gateway))
    assert gateway.wait_for_exit() == 0
    second = begin()
    assert ended(second, job)["attempts"] == 1
    (told,) = put_off(second, job)
    assert told["code"] == "gateway_gone"
    keys = [each.headers["idempotency-key"] for each in sim.stats().last_requests]
    assert keys == [f"{job}-script", f"{job}-repair"]  # what was recorded is not asked again


@pytest.mark.parametrize("is_new", [True, False], ids=["new connection", "kept connection"])
def test_a_call_that_comes_while_the_gateway_closes_costs_no_try(
    begin: Begin, tmp_path: Path, is_new: bool
) -> None:
    """The gateway's loop is late: it finds the call and the signal at the same time."""
    gateway = begin(pace=SLOW)
    house = JobHouse("sqlite", tmp_path / "data", tmp_path)
    if not is_new:
        refused = {"kind": "generate", "input": {"model": "gone", "prompt": "Hi"}}
        ended(gateway, ask(gateway, "/v1/jobs", refused)[1]["id"])
    job = ask(gateway, "/v1/jobs", question("Say hello", delay_s=1.0))[1]["id"]
    worker = worker_of(gateway)
    eventually(lambda: house.ask(lambda _, records: records.fetch("jobs.workers")))
    with suspended(psutil.Process(gateway.process.pid)):
        eventually(lambda: house.ask(running_jobs))
        eventually(lambda: has_connection(worker, gateway))
        gateway.signal(signal.SIGTERM)
    assert gateway.wait_for_exit() == 0
    assert_done(begin(), job)


def test_a_worker_apart_from_a_gateway_that_ends_tries_again_when_there_is_one(
    begin: Begin, sim: ThreadedSim, tmp_path: Path
) -> None:
    gateway = begin(pace=SLOW, jobs=APART, listen=AT_ONCE)
    with worker_apart(gateway):
        job = submit(gateway, "Say hello")
        under_way(sim)
        gateway.stop()
        second = begin(jobs=APART)
        house = JobHouse("sqlite", tmp_path / "data", tmp_path)
        eventually(lambda: claims(house, job) >= CLAIMS_SEEN)
        assert "refused" in ask(second, f"/v1/jobs/{job}")[1]["error"]["message"]
    assert gateway.log.count("jobs_gateway_gone") == 1  # however often it was tried
    with worker_apart(second):
        assert_done(second, job)
    (told,) = [each for each in put_off(second, job) if each["code"] == "gateway_gone"]
    assert "shutting down" in told["reason"]


def test_a_worker_apart_from_a_gateway_that_is_killed_tries_again(
    begin: Begin, sim: ThreadedSim
) -> None:
    gateway = begin(pace=SLOW, jobs=APART)
    with worker_apart(gateway):
        job = submit(gateway, "Say hello")
        under_way(sim)
        gateway.kill()
        second = begin(jobs=APART)
        eventually(lambda: ask(second, f"/v1/jobs/{job}")[1]["state"] == "delayed")
    with worker_apart(second):
        assert_done(second, job)
    assert put_off(second, job)[0]["code"] == "gateway_lost"
