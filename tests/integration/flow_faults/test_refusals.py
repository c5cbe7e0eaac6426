"""Providers that refuse, and what they say of it: late, wrong, absurd, or all at once."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.asking import Asking, ask, flow_told, waiting
from tests.support.gateway import Gateway
from tests.support.house import OPENAI
from tests.support.waiting import eventually
from tests.support.wire import connect, encode_request

from headrace.sim.faults import Fault, FaultKind
from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running


def provider(sim: ThreadedSim, **settings: Any) -> dict[str, Any]:
    url = f"{sim.url}/v1"
    return {"dialect": "openai", "base_url": url, "retry": {"tries_max": 1}, **settings}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, ThreadedSim]]:
    """A gateway whose limits begin with the first refusal; each test asks for models of its own."""
    with (
        running(SimOptions()) as sim,
        Gateway(tmp_path_factory.mktemp("house"), {"providers": {"sim": provider(sim)}}) as gateway,
    ):
        yield gateway, sim


def refuse(sim: ThreadedSim, model: str, retry_after: str | None = None, **fault: Any) -> Fault:
    headers = {} if retry_after is None else {"retry-after": retry_after}
    return Fault(model=model, kind=FaultKind.STATUS, status=429, headers=headers, **fault)


LIES = ["-30", "1e9", "inf", "NaN", "30 s", "Mon, 99 Foo 2031 00:00:00 GMT", "0x10", "", "30,30"]


@pytest.mark.parametrize("lie", LIES)
def test_a_retry_after_that_makes_no_sense_holds_nobody_up(
    house: tuple[Gateway, ThreadedSim], lie: str
) -> None:
    gateway, sim = house
    model = f"lie-{LIES.index(lie)}"
    sim.script(refuse(sim, model, lie))
    assert ask(gateway, f"sim/{model}").status == 429
    assert flow_told(gateway, "sim", model)["limit"]["closed_s"] == 0
    assert ask(gateway, f"sim/{model}", 1).status == 200


@pytest.mark.parametrize("absurd", ["999999999999", "86400000", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_an_absurd_retry_after_holds_for_minutes_and_callers_are_told_at_once(
    house: tuple[Gateway, ThreadedSim], absurd: str
) -> None:
    gateway, sim = house
    model = f"absurd-{len(absurd)}"
    sim.script(refuse(sim, model, absurd))
    assert ask(gateway, f"sim/{model}").status == 429
    assert 200 < flow_told(gateway, "sim", model)["limit"]["closed_s"] <= 300
    for number, hints in enumerate([{}, {"x_headrace_deadline_ms": "5000"}], 1):
        told = ask(gateway, f"sim/{model}", number, **hints)
        assert (told.status, told.error["code"]) == (503, "provider_paused")
        assert 200 < int(told.headers["retry-after"]) <= 300
    assert sim.stats().requests[OPENAI.path][model] == 1


@pytest.mark.heavy
def test_retry_after_counts_whoever_is_told_it(house: tuple[Gateway, ThreadedSim]) -> None:
    """The second of two calls that began before there was a limit."""
    gateway, sim = house
    sim.script(
        refuse(sim, "second", "200", delay_ms=1500),
        refuse(sim, "second"),
    )
    later = Asking(gateway, "sim/second", 0)
    eventually(lambda: flow_told(gateway, "sim", "second")["inflight"] == 1)
    assert ask(gateway, "sim/second", 1).status == 429
    assert flow_told(gateway, "sim", "second")["limit"]["closed_s"] == 0
    assert later.end().status == 429
    assert flow_told(gateway, "sim", "second")["limit"]["closed_s"] > 100


@pytest.mark.heavy
def test_calls_that_began_before_the_limit_count(house: tuple[Gateway, ThreadedSim]) -> None:
    gateway, sim = house
    sim.script(
        Fault(model="many", kind=FaultKind.SLOW, delay_ms=4000, times=25),
        refuse(sim, "many"),
    )
    first = [Asking(gateway, "sim/many", number) for number in range(25)]
    eventually(lambda: flow_told(gateway, "sim", "many")["inflight"] == 25)
    assert ask(gateway, "sim/many", 25).status == 429
    late = [Asking(gateway, "sim/many", number) for number in range(26, 46)]
    eventually(lambda: waiting(gateway, "sim", "many") == 20)
    assert flow_told(gateway, "sim", "many")["inflight"] == 25
    assert {each.end().status for each in [*first, *late]} == {200}
    assert flow_told(gateway, "sim", "many")["inflight"] == 0


@pytest.mark.heavy
def test_hundreds_who_leave_the_queue_leave_it_empty(tmp_path: Path, sim: ThreadedSim) -> None:
    """From the front, the middle and the end of it, all at once and one by one."""
    one = provider(sim, limit={"inflight_max": 1, "waiting_max": 1000})
    with Gateway(tmp_path, {"providers": {"sim": one}}) as gateway:
        sim.script(Fault(kind=FaultKind.STALL_BEFORE, times=1))
        with contextlib.ExitStack() as stack:
            first = stack.enter_context(connect(gateway.url))
            first.send(encode_request(OPENAI.path, OPENAI.document("sim/m", seed=0)))
            eventually(lambda: flow_told(gateway, "sim", "m")["inflight"] == 1)
            wires = [stack.enter_context(connect(gateway.url)) for _ in range(400)]
            for number, wire in enumerate(wires, 1):
                headers = {"x-headrace-priority": ("high", "normal", "low", "batch")[number % 4]}
                document = OPENAI.document("sim/m", seed=number)
                wire.send(encode_request(OPENAI.path, document, headers=headers))
            eventually(lambda: waiting(gateway, "sim", "m") == 400)
            for wire in wires[::2]:
                wire.close()
            eventually(lambda: waiting(gateway, "sim", "m") == 200)
            for wire in wires[:398]:
                wire.close()
            eventually(lambda: waiting(gateway, "sim", "m") == 1)
            assert sim.stats().requests[OPENAI.path] == {"m": 1}
        assert ask(gateway, "sim/m", 500).status == 200
        assert flow_told(gateway, "sim", "m")["inflight"] == 0
        assert sim.stats().requests[OPENAI.path]["m"] <= 3
        gateway.wait_until_quiet()
