"""Which lines go to a provider's Batch API together, and which do not."""

import json
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.integration.batches.conftest import Begin, settings
from tests.integration.batches.test_handed_batches import (
    AT_ONCE,
    CHATS,
    HELD,
    LINES,
    assert_answered_once,
    chats,
    lines,
    provider_batches,
    short,
    until_handed,
)
from tests.support.batches import begin, client, jsonl, results, until
from tests.support.waiting import eventually

from headrace.sim.batch_api import BatchTerms
from headrace.sim.faults import Fault, FaultKind
from headrace.sim.thread import ThreadedSim


def turning(sim: ThreadedSim, handed: dict[str, Any]) -> dict[str, Any]:
    """Settings by which an experiment turns half of the lines to another provider."""
    price = {"input": 1000, "output": 1000, "batch": 0.5}
    sims = settings(sim.url, Path(), None, handed)["providers"]["sim"]
    by_name = sim.url.replace("127.0.0.1", "localhost")
    arms = [{"name": "a", "model": "n", "weight": 1}, {"name": "b", "model": "p", "weight": 1}]
    return {
        "providers": {"sim": sims, "other": {**sims, "base_url": f"{by_name}/v1"}},
        "models": {
            "m": {"targets": ["sim/m"], "price": price},
            "n": {"targets": ["other/n-model"], "price": price},
            "p": {"targets": ["sim/m"], "price": price},
        },
        "experiments": {"e": {"model": "m", "arms": arms, "unit": "session"}},
    }


@pytest.mark.heavy
def test_lines_that_an_experiment_turns_elsewhere_are_asked_there(
    begin_gateway: Begin, sim: ThreadedSim
) -> None:
    gateway = begin_gateway(**turning(sim, AT_ONCE))
    with client(gateway.url) as sdk:
        batch = until(sdk, begin(sdk, lines()))
        assert (batch.status, batch.request_counts.completed) == ("completed", LINES)
        answers = results(sdk, batch.output_file_id)
    models = Counter(each["response"]["body"]["model"] for each in answers)
    assert set(models) == {"m", "n-model"}
    (handed,) = provider_batches(sim)
    assert (handed.request_counts.total, chats(sim)) == (models["m"], models["n-model"])
    assert gateway.bugs() == []


@pytest.mark.heavy
def test_what_a_gateway_says_that_ends_is_no_result(begin_gateway: Begin, sim: ThreadedSim) -> None:
    told = turning(sim, {**AT_ONCE, "fallback": "fail"})
    sim.script(Fault(kind=FaultKind.STALL_BEFORE, path=CHATS, times=None))
    first = begin_gateway(**told, listen={"drain_timeout_s": 1})
    with client(first.url) as sdk:
        batch_id = begin(sdk, lines())
        eventually(lambda: sim.stats().faults_applied)
    first.stop()
    sim.script()
    second = begin_gateway(**told)
    with client(second.url) as sdk:
        batch = until(sdk, batch_id)
        counts = batch.request_counts
        assert (batch.status, counts.completed, counts.failed) == ("completed", LINES, 0)


def test_a_batch_there_is_for_one_model(begin_gateway: Begin, sim: ThreadedSim) -> None:
    price = {"input": 1000, "output": 1000, "batch": 0.5}
    models = {name: {"targets": [f"sim/{name}"], "price": price} for name in ("m", "n")}
    gateway = begin_gateway(handed=AT_ONCE, models=models)
    whole = [short(number) for number in range(LINES)]
    for each in whole[::3]:
        each["body"]["model"] = "n"
    with client(gateway.url) as sdk:
        batch = until(sdk, begin(sdk, jsonl(whole)))
        assert (batch.status, batch.request_counts.completed) == ("completed", LINES)
    totals = [each.request_counts.total for each in provider_batches(sim)]
    assert (sorted(totals), chats(sim)) == ([LINES // 3, LINES - LINES // 3], 0)


def test_what_was_handed_over_is_waited_for_though_nothing_is_any_more(
    begin_gateway: Begin, sim: ThreadedSim
) -> None:
    sim.batch_by(HELD)
    first = begin_gateway(handed=AT_ONCE)
    with client(first.url) as sdk:
        batch_id = begin(sdk, lines())
        until_handed(sim)
    first.stop()
    sim.batch_by(BatchTerms())
    second = begin_gateway(handed=None)
    with client(second.url) as sdk:
        assert_answered_once(sdk, until(sdk, batch_id), sim)


def test_lines_that_are_the_same_go_together_where_answers_are_not_stored(
    begin_gateway: Begin, sim: ThreadedSim
) -> None:
    sim.batch_by(HELD)
    gateway = begin_gateway(handed=AT_ONCE, cache={"enabled": False})
    with client(gateway.url) as sdk:
        batch_id = begin(sdk, jsonl({**short(0), "custom_id": f"c{n}"} for n in range(LINES)))
        until_handed(sim)
        sim.batch_by(BatchTerms())
        assert_answered_once(sdk, until(sdk, batch_id), sim)


@pytest.mark.heavy
def test_lines_that_the_gateway_refuses_for_now_are_handed_over_later(
    begin_gateway: Begin, sim: ThreadedSim
) -> None:
    gateway = begin_gateway(handed=AT_ONCE, process={"memory_mb_max": 1})
    with client(gateway.url) as sdk:
        eventually(lambda: [each for each in gateway.events() if each["event"] == "pressure"])
        batch_id = begin(sdk, lines())
        eventually(lambda: gateway.metrics().get('headrace_shed_calls_total{priority="batch"}'))
        told = json.loads(gateway.config_file.read_text())
        gateway.write_settings({**told, "process": {}})
        assert gateway.reload()["event"] == "reloaded"
        assert_answered_once(sdk, until(sdk, batch_id), sim)


@pytest.mark.heavy
def test_who_stood_still_while_another_went_on_asks_no_line(
    begin_gateway: Begin, sim: ThreadedSim
) -> None:
    sim.script(Fault(kind=FaultKind.STATUS, path="/v1/files", status=500, times=None))
    handed = {**AT_ONCE, "tries": 10}
    first = begin_gateway(handed=handed)
    with client(first.url) as sdk:
        batch_id = begin(sdk, lines())
        eventually(lambda: sim.stats().faults_applied)
    first.signal(signal.SIGSTOP)
    sim.script()
    second = begin_gateway(handed=handed)
    with client(second.url) as sdk:
        assert_answered_once(sdk, until(sdk, batch_id), sim)
    first.signal(signal.SIGCONT)
    eventually(lambda: first.metrics()["headrace_batches_running"] == 0)
    assert chats(sim) == 0
    assert first.bugs() == second.bugs() == []
