"""The end of a gateway while its queues are full: everybody is told, nobody is cut off."""

import signal
from pathlib import Path

from tests.support.asking import Asking, flow_told, waiting
from tests.support.gateway import Gateway
from tests.support.waiting import eventually

from headrace.sim.faults import Fault, FaultKind
from headrace.sim.thread import ThreadedSim


def test_who_waits_for_a_turn_is_told_that_there_is_none(tmp_path: Path, sim: ThreadedSim) -> None:
    def provider() -> dict[str, object]:
        return {
            "dialect": "openai",
            "base_url": f"{sim.url}/v1",
            "limit": {"inflight_max": 1, "waiting_max": 20},
            "retry": {"tries_max": 1},
        }

    settings = {
        "providers": {"one": provider(), "two": provider() | {"limit": {}}},
        "models": {"m": {"targets": ["one/m", "two/m"]}},
        "listen": {"drain_timeout_s": 0.5},
    }
    with Gateway(tmp_path, settings) as gateway:
        sim.script(Fault(kind=FaultKind.STALL_BEFORE, times=None))
        asking = [Asking(gateway, "m", 0)]
        eventually(lambda: flow_told(gateway, "one", "m")["inflight"] == 1)
        asking += [Asking(gateway, "m", number) for number in range(1, 21)]
        eventually(lambda: waiting(gateway, "one", "m") == 20)
        gateway.signal(signal.SIGTERM)
        told = [(answer.status, answer.error["code"]) for each in asking if (answer := each.end())]
        assert told[0] == (502, "upstream_shutdown")
        assert told[1:] == [(503, "shutting_down")] * 20
        assert gateway.wait_for_exit() == 0
        assert sum(sim.stats().requests["/v1/chat/completions"].values()) == 1
