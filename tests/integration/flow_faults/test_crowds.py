"""Many callers, and what goes wrong in their midst: nothing of it is left once they are gone."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support import headrace_process
from tests.support.asking import Asking, ask, flow_told, waiting
from tests.support.gateway import Gateway
from tests.support.house import OPENAI, free_port
from tests.support.waiting import eventually
from tests.support.wire import connect, encode_request

from headrace.sim.faults import Fault, FaultKind
from headrace.sim.thread import ThreadedSim

_LONG = {"x-sim-tokens": "32000"}
_SLOW = {"x-sim-ttft-ms": "400"}


def gateway_to(folder: Path, url: str, **settings: Any) -> Gateway:
    provider = {"dialect": "openai", "base_url": f"{url}/v1", "warm_connections": 0, **settings}
    return Gateway(folder, {"providers": {"p": provider}})


@contextlib.contextmanager
def provider_at(folder: Path, port: int) -> Iterator[headrace_process.HeadraceProcess]:
    """A provider in a process of its own, to be killed."""
    process = headrace_process.fork(
        headrace_process.COMMAND, "sim", "--port", str(port), environment={}, folder=folder
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def is_well(gateway: Gateway) -> bool:
    """Whether the provider answers, and is known to."""
    status = ask(gateway, "p/m", 0, cache_control="no-store").status
    return status == 200 and flow_told(gateway, "p", "m")["circuit"]["state"] == "closed"


@pytest.mark.heavy
def test_a_provider_that_is_killed_under_load_and_comes_back(tmp_path: Path) -> None:
    port = free_port()
    settings = {
        "headers": _SLOW,
        "limit": {"inflight_max": 5},
        "breaker": {"row_max": 5, "open_s": 0.5, "open_s_max": 0.5},
    }
    with gateway_to(tmp_path, f"http://127.0.0.1:{port}", **settings) as gateway:
        with provider_at(tmp_path, port) as provider:
            eventually(lambda: is_well(gateway))
            asking = [Asking(gateway, "p/m", number) for number in range(1, 41)]
            eventually(lambda: waiting(gateway, "p", "m") > 10)
            provider.kill()
            told = {each.end().status for each in asking}
        assert told & {502, 503}
        assert told <= {200, 502, 503}
        assert flow_told(gateway, "p", "m")["inflight"] == 0
        with provider_at(tmp_path, port):
            eventually(lambda: is_well(gateway))
            again = [Asking(gateway, "p/m", number) for number in range(50, 70)]
            assert {each.end().status for each in again} == {200}
            assert flow_told(gateway, "p", "m")["inflight"] == 0
            assert waiting(gateway, "p", "m") == 0
            gateway.wait_until_quiet()


def test_a_reader_that_takes_nothing_holds_its_turn_until_it_leaves(
    tmp_path: Path, sim: ThreadedSim
) -> None:
    limits = {"limit": {"inflight_max": 1}, "headers": _LONG}
    with gateway_to(tmp_path, sim.url, **limits) as gateway:
        with connect(gateway.url, receive_bytes=4096) as slow:
            stream = OPENAI.document("p/m", stream=True)
            slow.send(encode_request(OPENAI.path, stream))
            slow.read_until(b"data: ")
            later = Asking(gateway, "p/m", 1)
            eventually(lambda: waiting(gateway, "p", "m") == 1)
        assert later.end().status == 200
        assert flow_told(gateway, "p", "m")["inflight"] == 0
        gateway.wait_until_quiet()


@pytest.mark.heavy
def test_a_reader_that_takes_nothing_for_ever_loses_its_turn(
    tmp_path: Path, sim: ThreadedSim
) -> None:
    limits = {"limit": {"inflight_max": 1}, "headers": _LONG, "total_timeout_s": 3}
    with gateway_to(tmp_path, sim.url, **limits) as gateway:
        with connect(gateway.url, receive_bytes=4096) as slow:
            stream = OPENAI.document("p/m", stream=True)
            slow.send(encode_request(OPENAI.path, stream))
            slow.read_until(b"data: ")
            assert ask(gateway, "p/m", 1).status == 200
        assert flow_told(gateway, "p", "m")["inflight"] == 0
        gateway.wait_until_quiet()


@pytest.mark.heavy
def test_streams_that_end_badly_on_either_side_give_their_turns_back(
    tmp_path: Path, sim: ThreadedSim
) -> None:
    limits = {"limit": {"inflight_max": 3}, "idle_timeout_s": 1, "retry": {"tries_max": 1}}
    with gateway_to(tmp_path, sim.url, **limits) as gateway:
        kinds = (FaultKind.RESET_MID, FaultKind.CUT, FaultKind.END_EARLY, FaultKind.STALL_MID)
        sim.script(*(Fault(kind=kind, after_chunks=2, times=5) for kind in kinds))
        with contextlib.ExitStack() as stack:
            wires = [stack.enter_context(connect(gateway.url)) for _ in range(30)]
            for number, wire in enumerate(wires):
                document = OPENAI.document("p/m", stream=True, seed=number)
                wire.send(encode_request(OPENAI.path, document))
            for wire in wires[20:]:
                wire.reset()
            for wire in wires[:20]:
                wire.response()
        eventually(lambda: flow_told(gateway, "p", "m")["inflight"] == 0)
        assert waiting(gateway, "p", "m") == 0
        sim.script()
        assert ask(gateway, "p/m", 99).status == 200
        gateway.wait_until_quiet()


@pytest.mark.heavy
def test_a_storm_of_refusals_leaves_nothing_behind(tmp_path: Path, sim: ThreadedSim) -> None:
    with gateway_to(tmp_path, sim.url, retry={"wait_s_max": 0.05}) as gateway:
        waits = ("", "0", "-1", "1e308", "0.2", "99999999999999999999")
        sim.script(
            *(
                Fault(kind=FaultKind.STATUS, status=429, headers={"retry-after": wait}, times=15)
                for wait in waits
            )
        )
        asking = [Asking(gateway, "p/m", number) for number in range(60)]
        assert {each.end().status for each in asking} <= {200, 429, 503}
        told = flow_told(gateway, "p", "m")
        assert told["inflight"] == 0
        assert told["limit"]["closed_s"] <= 300
        assert waiting(gateway, "p", "m") == 0
        gateway.wait_until_quiet()
