"""Service levels of a real gateway with several workers."""

from pathlib import Path
from typing import Any

import pytest
from tests.support.gateway import Gateway
from tests.support.house import OPENAI
from tests.support.waiting import eventually

from headrace.sim.options import SimOptions
from headrace.sim.thread import running

SLOS = [{"name": "up", "kind": "availability", "objective": 0.9}]


def told(gateway: Gateway) -> dict[str, Any]:
    (one,) = gateway.get("/admin/slos").json()["data"]
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
