"""A gateway that has too much to do refuses what can wait, and says so."""

from pathlib import Path
from typing import Any

import pytest
from tests.support.gateway import Gateway
from tests.support.house import OPENAI
from tests.support.waiting import eventually

from headrace.sim.thread import ThreadedSim


def pressure(gateway: Gateway) -> Any:
    return gateway.get("/admin/flow").json()["process"]["pressure"]


def events(gateway: Gateway) -> list[str]:
    return [line["event"] for line in gateway.events() if "pressure" in line["event"]]


def question(number: int) -> dict[str, Any]:
    return OPENAI.document("sim/m", seed=number)


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("process", "signal"),
    [({"memory_mb_max": 1}, "memory"), ({"lag_ms_max": 0.000_001}, "lag")],
    ids=["memory", "lag"],
)
def test_batch_work_is_refused_first(
    tmp_path: Path, sim: ThreadedSim, process: dict[str, float], signal: str
) -> None:
    settings: dict[str, Any] = {
        "providers": {"sim": {"dialect": "openai", "base_url": f"{sim.url}/v1"}},
    }
    with Gateway(tmp_path, settings) as gateway:
        batch = {"x-headrace-priority": "batch"}
        assert gateway.post(OPENAI.path, question(0), headers=batch).status == 200
        assert pressure(gateway) is None
        gateway.write_settings({**settings, "process": process})
        gateway.reload()
        eventually(lambda: pressure(gateway) == signal or None)

        refused = gateway.post(OPENAI.path, question(1), headers=batch)
        assert refused.status == 503
        assert refused.json()["error"]["code"] == "process_overloaded"
        assert refused.headers["retry-after"] == "5"
        asked = sim.stats().requests[OPENAI.path]["m"]
        high = {"x-headrace-priority": "high"}
        assert gateway.post(OPENAI.path, question(1), headers=high).status == 200
        assert gateway.post(OPENAI.path, question(2)).status == 200
        assert sim.stats().requests[OPENAI.path]["m"] == asked + 2
        stored = gateway.post(OPENAI.path, question(1), headers=batch)
        assert stored.status == 200

        metrics = gateway.metrics()
        assert metrics[f'headrace_process_pressure{{signal="{signal}"}}'] == 1
        assert metrics['headrace_shed_calls_total{priority="batch"}'] == 1
        gateway.write_settings(settings)
        gateway.reload()
        eventually(lambda: pressure(gateway) is None or None)
        assert gateway.post(OPENAI.path, question(3), headers=batch).status == 200
        said = eventually(lambda: [each for each in events(gateway) if each.endswith("_over")])
        assert said == ["pressure_over"]
        assert events(gateway) == ["pressure", "pressure_over"]
