"""Metrics as a collector gets them: by the conventions, and our own, of each worker by itself."""

import os
import signal
from pathlib import Path

import pytest
from tests.support.collector import Collector, SeriesTold
from tests.support.gateway import Gateway
from tests.support.house import OPENAI, House, lanes
from tests.support.waiting import eventually

from headrace.sim.options import SimOptions
from headrace.sim.thread import running

FIRST_TOKEN_S = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.45, 0.5, 0.75, 1.0)


def counted(series: list[SeriesTold]) -> int:
    """How much was counted in all."""
    return sum(sum(each.counts) for each in series)


def restarts(series: list[SeriesTold]) -> list[float]:
    """What is told of workers that died."""
    return [each.value for each in series if each.name == "headrace_worker_restarts_total"]


def test_every_worker_tells_what_it_did_under_an_instance_of_its_own(tmp_path: Path) -> None:
    with Collector() as collector, running(SimOptions()) as sim:
        telemetry = {"metrics": True, "metrics_interval_s": 1, "endpoint": collector.url}
        listen = {"workers": 2}
        house = House.build(tmp_path, sim, telemetry=telemetry, listen=listen)
        with house.gateway as gateway:
            for _ in range(12):  # each on a connection of its own, at whichever worker
                assert house.ask(OPENAI, OPENAI.document(house.model())).status == 200
            stream = OPENAI.document(house.model("trickle"), stream=True)
            stream["stream_options"] = {"include_usage": True}
            assert house.ask(OPENAI, stream).status == 200
            assert house.ask(OPENAI, OPENAI.document(house.model("refused"))).status == 502
            gateway.stop()
        assert len(collector.series) == 2
        served = collector.named("gen_ai.server.request.duration")
        assert counted(served) == 14
        assert [each.labels["error.type"] for each in served if "error.type" in each.labels] == [
            "connection"
        ]
        calls = collector.named("gen_ai.client.operation.duration")
        by_provider = {
            (each.labels["gen_ai.provider.name"], each.labels.get("error.type")) for each in calls
        }
        assert by_provider == {("sim", None), ("trickle", None), ("refused", "connection")}
        (first,) = collector.named("gen_ai.server.time_to_first_token")
        assert first.bounds[: len(FIRST_TOKEN_S)] == FIRST_TOKEN_S
        (between,) = collector.named("gen_ai.server.time_per_output_token")
        assert sum(between.counts) == 1
        own = collector.named("headrace_requests_total")
        chats = [each.value for each in own if each.labels["route"] == "chat"]
        assert sum(chats) == 14


@pytest.mark.heavy
def test_a_worker_that_is_new_begins_at_nothing_and_is_another_instance(tmp_path: Path) -> None:
    with Collector() as collector, running(SimOptions()) as sim:
        telemetry = {"metrics": True, "metrics_interval_s": 1, "endpoint": collector.url}
        house = House.build(tmp_path, sim, telemetry=telemetry, listen={"workers": 2})
        with house.gateway as gateway:
            for _ in range(12):
                assert house.ask(OPENAI, OPENAI.document(house.model())).status == 200
            eventually(lambda: len(collector.series) == 2)
            before = set(collector.series)
            pid = gateway.status()["pid"]
            os.kill(pid, signal.SIGKILL)
            eventually(lambda: len(set(collector.series) - before) == 1)
            (fresh,) = set(collector.series) - before
            told = [each for each in collector.series[fresh] if each.name.startswith("gen_ai.")]
            assert told == []
            assert restarts(collector.series[fresh]) == [1]
            assert {tuple(restarts(collector.series[each])) for each in before} == {(0,)}


def test_workers_to_come_start_after_a_reload_that_wants_metrics(tmp_path: Path) -> None:
    with Collector() as collector, running(SimOptions()) as sim:
        declared = {"providers": lanes(sim.url), "listen": {"workers": 2}}
        with Gateway(tmp_path, declared) as gateway:
            wanted = {"metrics": True, "metrics_interval_s": 1, "endpoint": collector.url}
            gateway.write_settings({**declared, "telemetry": wanted})
            gateway.signal(signal.SIGHUP)
            eventually(lambda: len(gateway.reloads()) == 2)
            assert {each["event"] for each in gateway.reloads()} == {"reloaded"}
            pid = gateway.status()["pid"]
            os.kill(pid, signal.SIGKILL)

            def ready() -> bool:
                events = gateway.events()
                assert sum(each["event"] == "worker_ended" for each in events) <= 1
                return sum(each["event"] == "listening" for each in events) == 3

            eventually(ready)
            assert gateway.post(OPENAI.path, OPENAI.document("sim/one")).status == 200
        # It is taken at start.
        assert collector.headers == []
