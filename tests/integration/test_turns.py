"""Where a provider has no more room, calls wait for their turn and are told when they have none."""

import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.gateway import Gateway
from tests.support.house import OPENAI
from tests.support.waiting import eventually
from tests.support.wire import Response, connect, encode_request

from headrace.sim.faults import Fault, FaultKind
from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running

_SCHEDULE = re.compile(r"schedule;dur=([\d.]+)")


def gateway_to(folder: Path, sim: ThreadedSim, **provider: Any) -> Gateway:
    settings = {
        "dialect": "openai",
        "base_url": f"{sim.url}/v1",
        "retry": {"tries_max": 1},
        **provider,
    }
    return Gateway(folder, {"providers": {"sim": settings}})


def question(number: int) -> dict[str, Any]:
    return OPENAI.document("sim/m", seed=number)


def told(gateway: Gateway) -> Any:
    """What the console tells of the model."""
    models = gateway.get("/admin/flow").json()["providers"]["sim"]["models"]
    return models.get("m", {"inflight": 0})


class Asking:
    """A request on a thread of its own."""

    def __init__(self, gateway: Gateway, number: int, **headers: str) -> None:
        self.response: Response
        self._ask: Callable[[], None] = lambda: self._keep(
            gateway.post(OPENAI.path, question(number), headers=headers)
        )
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def _keep(self, response: Response) -> None:
        self.response = response

    def end(self) -> Response:
        self._thread.join(60)
        return self.response


@contextlib.contextmanager
def under_way(gateway: Gateway, sim: ThreadedSim) -> Iterator[None]:
    """A call that nobody answers, and whose caller leaves in the end."""
    sim.script(Fault(kind=FaultKind.STALL_BEFORE, times=1))
    with connect(gateway.url) as caller:
        caller.send(encode_request(OPENAI.path, question(0)))
        eventually(lambda: told(gateway)["inflight"] == 1)
        yield


def test_nothing_is_limited_before_a_refusal(tmp_path: Path, sim: ThreadedSim) -> None:
    with gateway_to(tmp_path, sim) as gateway:
        assert gateway.post(OPENAI.path, question(0)).status == 200
        assert told(gateway)["limit"] is None
        sim.script(Fault(model="m", kind=FaultKind.STATUS, status=503))
        assert gateway.post(OPENAI.path, question(1)).status == 503
        limited = told(gateway)
        assert limited["limit"]["limit"] < 20
        assert limited["inflight"] == 0
        assert gateway.metrics()['headrace_limited_models{provider="sim"}'] == 1
        assert gateway.post(OPENAI.path, question(2)).status == 200
        assert told(gateway)["limit"]["successes"] == 1


@pytest.mark.heavy
def test_calls_from_before_the_first_refusal_count_against_the_limit(tmp_path: Path) -> None:
    room = 20
    with running(SimOptions(inflight_max=room)) as sim, gateway_to(tmp_path, sim) as gateway:
        # Those of before are long under way; those that come after them are answered at once.
        sim.script(Fault(kind=FaultKind.SLOW, delay_ms=4000, times=room))
        first = [Asking(gateway, number) for number in range(room)]
        eventually(lambda: told(gateway)["inflight"] == sim.stats().inflight == room)
        assert gateway.post(OPENAI.path, question(room)).status == 429
        assert told(gateway)["limit"]["limit"] < room == told(gateway)["inflight"]
        others = [Asking(gateway, room + number) for number in range(1, 11)]
        assert {each.end().status for each in first + others} == {200}
        assert sim.stats().refused == 1
        assert told(gateway)["inflight"] == 0


@pytest.mark.heavy
def test_no_turn_is_spent_on_a_call_that_cannot_end_in_time(tmp_path: Path) -> None:
    slow = {"x-sim-ttft-ms": "2000"}
    with (
        running(SimOptions()) as sim,
        gateway_to(tmp_path, sim, headers=slow, limit={"inflight_max": 1}) as gateway,
    ):
        assert gateway.post(OPENAI.path, question(0)).status == 200  # two seconds, as is known now
        first = Asking(gateway, 1)
        eventually(lambda: told(gateway)["inflight"] == 1)
        late = gateway.post(OPENAI.path, question(2), headers={"x-headrace-deadline-ms": "2300"})
        assert late.status in (503, 504)
        assert first.end().status == 200
        assert sim.stats().requests[OPENAI.path]["m"] == 2


def test_retry_after_is_a_gate(tmp_path: Path, sim: ThreadedSim) -> None:
    with gateway_to(tmp_path, sim) as gateway:
        wait = {"retry-after": "30"}
        sim.script(Fault(model="m", kind=FaultKind.STATUS, status=429, headers=wait))
        assert gateway.post(OPENAI.path, question(0)).status == 429
        before = told(gateway)["limit"]
        assert 0 < before["closed_s"] <= 30
        late = gateway.post(OPENAI.path, question(1), headers={"x-headrace-deadline-ms": "200"})
        assert late.status in (503, 504)
        assert sim.stats().requests[OPENAI.path]["m"] == 1


@pytest.mark.heavy
def test_who_waits_is_served_by_priority(tmp_path: Path) -> None:
    with (
        running(SimOptions()) as sim,
        gateway_to(tmp_path, sim, limit={"inflight_max": 1}) as gateway,
    ):
        order = ("batch", "low", "normal", "high")
        others = []
        with under_way(gateway, sim):
            for number, priority in enumerate(order, 1):
                others.append(Asking(gateway, number, **{"x-headrace-priority": priority}))
                eventually(lambda: told(gateway)["queue"]["waiting"] == len(others))
            assert gateway.metrics()['headrace_waiting_calls{provider="sim"}'] == len(order)
        assert [each.end().status for each in others] == [200] * len(order)
        assert "schedule" in others[0].response.headers["server-timing"]
        granted = {each["priority"]: each["granted"] for each in told(gateway)["queue"]["classes"]}
        assert granted == dict.fromkeys(order, 1)
        waits = [
            float(_SCHEDULE.findall(each.response.headers["server-timing"])[0]) for each in others
        ]
        # The later one came, the higher its priority, and so the sooner it went.
        assert waits == sorted(waits, reverse=True)


@pytest.mark.heavy
def test_a_queue_that_is_full_says_so(tmp_path: Path) -> None:
    limit = {"inflight_max": 1, "waiting_max": 1}
    with (
        running(SimOptions()) as sim,
        gateway_to(tmp_path, sim, limit=limit) as gateway,
    ):
        sim.script(Fault(kind=FaultKind.STALL_BEFORE, times=1))
        first = Asking(gateway, 0, **{"x-headrace-deadline-ms": "5000"})
        eventually(lambda: told(gateway)["inflight"] == 1)
        waiting = Asking(gateway, 1)
        eventually(lambda: told(gateway)["queue"]["waiting"] == 1)
        refused = gateway.post(OPENAI.path, question(2), headers={"x-headrace-priority": "low"})
        assert (refused.status, refused.error["code"]) == (503, "queue_full")
        assert int(refused.headers["retry-after"]) >= 1
        assert first.end().status == 504
        assert waiting.end().status == 200


@pytest.mark.heavy
def test_who_leaves_the_queue_leaves_nothing_behind(tmp_path: Path) -> None:
    with (
        running(SimOptions()) as sim,
        gateway_to(tmp_path, sim, limit={"inflight_max": 1}) as gateway,
    ):
        with under_way(gateway, sim):
            leaving = Asking(gateway, 1, **{"x-headrace-deadline-ms": "300"})
            assert leaving.end().status in (503, 504)
            eventually(lambda: told(gateway)["queue"]["waiting"] == 0)
        assert gateway.post(OPENAI.path, question(2)).status == 200
        assert told(gateway)["inflight"] == 0
        gateway.wait_until_quiet()


def test_a_priority_that_is_none(tmp_path: Path, sim: ThreadedSim) -> None:
    with gateway_to(tmp_path, sim) as gateway:
        response = gateway.post(OPENAI.path, question(0), headers={"x-headrace-priority": "urgent"})
        assert (response.status, response.error["code"]) == (400, "invalid_value")
        assert "high, normal, low, batch" in response.error["message"]


def test_with_many_refusals_every_call_is_answered(tmp_path: Path) -> None:
    """More callers than the provider takes: each is told something, and the rest is served."""
    with (
        running(SimOptions()) as sim,
        gateway_to(tmp_path, sim, retry={"tries_max": 3, "budget_floor": 1000}) as gateway,
    ):
        sim.script(Fault(kind=FaultKind.STATUS, status=529, times=10))
        asking = [Asking(gateway, number) for number in range(40)]
        assert {each.end().status for each in asking} == {200}
        assert told(gateway)["inflight"] == 0
