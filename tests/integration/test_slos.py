"""Service levels of a real gateway with several workers."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.gateway import Gateway
from tests.support.house import OPENAI
from tests.support.postgres import Databases, PostgresServer
from tests.support.waiting import eventually

from headrace.sim.options import SimOptions
from headrace.sim.thread import running

SLOS = [{"name": "up", "kind": "availability", "objective": 0.9}]


def told(gateway: Gateway) -> dict[str, Any]:
    # Before the store has told which keys there are, nobody is let in.
    answer = eventually(
        lambda: looked if (looked := gateway.get("/admin/slos")).status == 200 else None
    )
    assert answer is not None
    (one,) = answer.json()["data"]
    return one


def test_what_fails_uses_the_budget_up(tmp_path: Path) -> None:
    with running(SimOptions(fail_rate=1.0)) as sim:
        provider = {
            "dialect": "openai",
            "base_url": f"{sim.url}/v1",
            "retry": {"tries_max": 1},
            "breaker": {"enabled": False},
        }
        settings = {"providers": {"sim": provider}, "slos": SLOS, "listen": {"workers": 2}}
        with Gateway(tmp_path / "gateway", settings) as gateway:
            assert told(gateway)["budget_left"] == 1
            statuses = [
                gateway.post(OPENAI.path, OPENAI.document("m", seed=at)).status for at in range(4)
            ]
            assert all(status >= 500 for status in statuses), statuses
            # Whichever worker is asked, it has counted what all have answered.
            eventually(lambda: told(gateway)["bad"] == 4)
            assert told(gateway)["answers"] == 4
            assert told(gateway)["budget_left"] == -9
            assert told(gateway)["burn_rates"]["5m"] == 10
            name = 'headrace_slo_burn_rate{slo="up",window="5m"}'
            assert eventually(lambda: gateway.metrics().get(name)) == pytest.approx(10)


def test_only_streams_are_timed_until_they_begin(tmp_path: Path) -> None:
    with running(SimOptions()) as sim:
        provider = {"dialect": "openai", "base_url": f"{sim.url}/v1"}
        with Gateway(tmp_path / "gateway", {"providers": {"sim": provider}}) as gateway:
            assert gateway.post(OPENAI.path, OPENAI.document("m", seed=1)).status == 200
            assert gateway.post(OPENAI.path, OPENAI.document("m", stream=True)).status == 200
            name = 'headrace_stream_start_seconds_count{route="chat",verdict="good"}'
            # Booked in the order in which they were answered: the stream is the last.
            assert eventually(lambda: gateway.metrics().get(name)) == 1
            durations = {
                each: value
                for each, value in gateway.metrics().items()
                if each.startswith('headrace_request_duration_seconds_count{route="chat"')
            }
            assert sum(durations.values()) == 2


def broken(url: str, **more: Any) -> dict[str, Any]:
    """A gateway whose every call fails."""
    provider = {
        "dialect": "openai",
        "base_url": f"{url}/v1",
        "retry": {"tries_max": 1},
        "breaker": {"enabled": False},
    }
    return {"providers": {"sim": provider}, "slos": SLOS, **more}


def fail(gateway: Gateway, count: int) -> None:
    told(gateway)  # it lets people in
    for at in range(count):
        assert gateway.post(OPENAI.path, OPENAI.document("m", seed=at)).status == 500


def pids(gateway: Gateway) -> list[int]:
    """Workers that have listened so far."""
    return [line["pid"] for line in gateway.events() if line["event"] == "listening"]


@contextlib.contextmanager
def ending(gateway: Gateway) -> Iterator[None]:
    """All of its processes die at once, without a word."""
    try:
        yield
    finally:
        for pid in (gateway.process.pid, *pids(gateway)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        gateway.kill()


def stored(gateway: Gateway, count: int) -> None:
    """Wait until the store has so many answers, as both workers see it."""
    eventually(lambda: all(told(gateway)["stored"] == count for _ in range(8)), 60)


@pytest.mark.heavy
def test_what_was_counted_outlives_workers_and_gateways(tmp_path: Path) -> None:
    with running(SimOptions(fail_rate=1.0)) as sim:
        settings = broken(sim.url, data_dir=str(tmp_path / "data"), listen={"workers": 2})
        gateway = Gateway(tmp_path / "first", settings)
        with ending(gateway):
            fail(gateway, 5)
            stored(gateway, 5)
            # The worker that speaks with the store dies; its successor knows what it knew.
            os.kill(min(pids(gateway)), signal.SIGKILL)
            eventually(lambda: len(pids(gateway)) == 3)
            assert all(told(gateway)["bad"] == 5 for _ in range(8))
            fail(gateway, 2)
            stored(gateway, 7)
        with Gateway(tmp_path / "second", settings) as gateway:
            stored(gateway, 7)
            level = told(gateway)
            assert (level["answers"], level["bad"], level["budget_left"]) == (7, 7, -9)
            assert level["burn_rates"]["6h"] == 10
            # What alerts and reactions go by is of this gateway alone.
            assert level["burn_rates"]["5m"] is None
            fail(gateway, 1)
            eventually(lambda: told(gateway)["bad"] == 8)
        # A gateway that ends well tells what it counted last.
        with Gateway(tmp_path / "third", settings) as gateway:
            stored(gateway, 8)
            name = 'headrace_slo_budget_left_ratio{slo="up"}'
            assert eventually(lambda: gateway.metrics().get(name)) == pytest.approx(-9)


@pytest.mark.heavy
def test_gateways_on_one_store_know_of_each_other(tmp_path: Path, databases: Databases) -> None:
    with running(SimOptions(fail_rate=1.0)) as sim, databases.fresh() as url:
        settings = broken(sim.url, store={"url": url})
        with (
            Gateway(tmp_path / "one", settings) as one,
            Gateway(tmp_path / "two", settings) as two,
        ):
            fail(one, 3)
            fail(two, 4)
            for gateway, own in ((one, 3), (two, 4)):
                stored(gateway, 7)
                level = told(gateway)
                assert level["bad"] == 7
                metrics = gateway.metrics()
                counted = 'headrace_answer_seconds_count{route="chat",verdict="bad"}'
                assert metrics[counted] == own


@pytest.mark.heavy
def test_while_the_store_is_away_a_gateway_goes_on_from_what_it_heard(
    tmp_path: Path, server: PostgresServer, own_url: str
) -> None:
    with (
        running(SimOptions(fail_rate=1.0)) as sim,
        Gateway(tmp_path / "gateway", broken(sim.url, store={"url": own_url})) as gateway,
    ):
        fail(gateway, 2)
        stored(gateway, 2)
        server.freeze()
        fail(gateway, 3)
        eventually(lambda: "slos_not_kept" in [each["event"] for each in gateway.events()], 60)
        assert (told(gateway)["bad"], told(gateway)["stored"]) == (5, 2)
        server.thaw()
        eventually(lambda: "slos_kept_again" in [each["event"] for each in gateway.events()], 60)
        stored(gateway, 5)


def test_another_objective_leaves_what_was_counted(tmp_path: Path) -> None:
    with (
        running(SimOptions(fail_rate=1.0)) as sim,
        Gateway(tmp_path / "gateway", broken(sim.url)) as gateway,
    ):
        fail(gateway, 2)
        eventually(lambda: told(gateway)["bad"] == 2)
        other = {**SLOS[0], "objective": 0.5, "window_days": 7}
        gateway.write_settings({**broken(sim.url), "slos": [other]})
        assert gateway.reload()["event"] == "reloaded"
        assert (told(gateway)["bad"], told(gateway)["budget_left"]) == (2, -1)
        gateway.write_settings({**broken(sim.url), "slos": []})
        assert gateway.reload()["event"] == "reloaded"
        assert gateway.get("/admin/slos").json() == {"data": []}
        assert not [each for each in gateway.metrics() if "slo_budget" in each]
        # Another threshold under the old name begins at nothing.
        other = {"name": "up", "kind": "latency", "threshold_ms": 500, "objective": 0.9}
        gateway.write_settings({**broken(sim.url), "slos": [other]})
        assert gateway.reload()["event"] == "reloaded"
        assert told(gateway)["bad"] == 0
