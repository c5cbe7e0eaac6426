"""Jobs whose models are answered for by a text of the gateway's."""

from pathlib import Path

from tests.support.gateway import Gateway
from tests.support.job_gateways import ended, settings, submit

from headrace.sim.faults import Fault, FaultKind
from headrace.sim.options import SimOptions
from headrace.sim.thread import running

TEXT = "Please ask again in a minute."


def test_a_fallback_text_is_no_result(tmp_path: Path) -> None:
    with running(SimOptions()) as sim:
        sim.script(Fault(kind=FaultKind.STATUS))
        declared = settings(sim, tmp_path / "data")
        declared["providers"]["sim"]["retry"] = {"tries_max": 1}
        declared["models"]["m"]["fallback_text"] = TEXT
        with Gateway(tmp_path / "gateway", declared) as gateway:
            told = ended(gateway, submit(gateway, "Say hello"))
            assert gateway.metrics()["headrace_fallback_texts_total"] == 1
    assert (told["state"], told["attempts"]) == ("succeeded", 2)
    assert told["result"]["text"] != TEXT
