"""Targets that are broken, full or closed, all at once: nobody is lost, and nothing leaks."""

from pathlib import Path
from typing import Any

import pytest
from tests.support.asking import Asking, ask, flow_told, waiting
from tests.support.gateway import Gateway
from tests.support.house import OPENAI, free_port
from tests.support.provider import scripted, sized
from tests.support.waiting import eventually
from tests.support.wire import connect, encode_request

from headrace.sim.faults import Fault, FaultKind
from headrace.sim.thread import ThreadedSim

_ANSWER = sized(
    b'{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}'
)
_BRITTLE = {"row_max": 1, "open_s": 60}


def provider(url: str, **settings: Any) -> dict[str, Any]:
    return {
        "dialect": "openai",
        "base_url": f"{url}/v1",
        "warm_connections": 0,
        "retry": {"tries_max": 1},
        **settings,
    }


def gateway_to(folder: Path, **providers: dict[str, Any]) -> Gateway:
    """A gateway whose model `smart` has a target at each provider, by the provider's name."""
    targets = [f"{name}/{name}" for name in providers]
    return Gateway(folder, {"providers": providers, "models": {"smart": {"targets": targets}}})


def test_a_broken_second_target_takes_no_tries_from_the_first(
    tmp_path: Path, sim: ThreadedSim
) -> None:
    one = provider(sim.url, retry={"tries_max": 2, "wait_s_max": 0.01})
    two = provider(f"http://127.0.0.1:{free_port()}", breaker=_BRITTLE)
    with gateway_to(tmp_path, one=one, two=two) as gateway:
        assert ask(gateway, "two/two").status == 502
        sim.script(Fault(model="one", kind=FaultKind.STATUS, status=500))
        answer = ask(gateway, "smart")
        assert (answer.status, answer.headers["x-headrace-provider"]) == (200, "one")
        assert answer.headers["x-headrace-attempts"] == "2"


def test_what_fails_for_good_is_booked_where_it_failed(tmp_path: Path, sim: ThreadedSim) -> None:
    two = provider(f"http://127.0.0.1:{free_port()}", breaker=_BRITTLE)
    with gateway_to(tmp_path, one=provider(sim.url), two=two) as gateway:
        assert ask(gateway, "two/two").status == 502
        sim.script(Fault(model="one", kind=FaultKind.STATUS, status=500))
        answer = ask(gateway, "smart")
        assert (answer.status, answer.headers["x-headrace-provider"]) == (500, "one")
        metrics = gateway.metrics()
        answers = "headrace_upstream_requests_total"
        assert metrics[f'{answers}{{provider="one",status_class="5xx"}}'] == 1
        assert not metrics.get(f'{answers}{{provider="two",status_class="5xx"}}')


def test_no_provider_is_shown_the_key_of_another(tmp_path: Path) -> None:
    """The second target is broken when the first fails, and well again when it is tried anew."""
    with scripted() as first, scripted() as second:
        first.answers = [sized(b"{}", "503 Busy", ["retry-after: 1"]), _ANSWER]
        second.answers = [sized(b"{}", "500 Oops"), _ANSWER]
        one = provider(first.url, api_key="key-of-one", retry={"tries_max": 2})
        two = provider(second.url, api_key="key-of-two", breaker={"row_max": 1, "open_s": 0.5})
        with gateway_to(tmp_path, one=one, two=two) as gateway:
            assert ask(gateway, "two/two").status == 500
            answer = ask(gateway, "smart")
            assert answer.status == 200
    assert all(b"key-of-one" in head and b"key-of-two" not in head for head in first.heads)
    assert all(b"key-of-two" in head and b"key-of-one" not in head for head in second.heads)


@pytest.mark.heavy
def test_where_the_only_sound_target_asks_for_time_it_is_waited_for(
    tmp_path: Path, sim: ThreadedSim
) -> None:
    two = provider(f"http://127.0.0.1:{free_port()}", breaker=_BRITTLE)
    with gateway_to(tmp_path, one=provider(sim.url), two=two) as gateway:
        wait = {"retry-after": "1"}
        sim.script(Fault(model="one", kind=FaultKind.STATUS, status=429, headers=wait))
        assert ask(gateway, "one/one").status == 429
        assert ask(gateway, "two/two").status == 502
        answer = ask(gateway, "smart", 1)
        assert (answer.status, answer.headers["x-headrace-provider"]) == (200, "one")


@pytest.mark.heavy
def test_of_two_that_ask_for_time_the_sooner_one_is_waited_for(
    tmp_path: Path, sim: ThreadedSim
) -> None:
    with gateway_to(tmp_path, one=provider(sim.url), two=provider(sim.url)) as gateway:
        for name, wait_s in (("one", "1"), ("two", "200")):
            wait = {"retry-after": wait_s}
            sim.script(Fault(model=name, kind=FaultKind.STATUS, status=429, headers=wait))
            assert ask(gateway, f"{name}/{name}").status == 429
        answer = ask(gateway, "smart", 1)
        assert (answer.status, answer.headers["x-headrace-provider"]) == (200, "one")


@pytest.mark.heavy
def test_who_is_sent_from_a_full_queue_to_another_and_leaves_is_gone(
    tmp_path: Path, sim: ThreadedSim
) -> None:
    limit = {"inflight_max": 1, "waiting_max": 1}
    one, two = provider(sim.url, limit=limit), provider(sim.url, limit=limit)
    with gateway_to(tmp_path, one=one, two=two) as gateway:
        sim.script(Fault(kind=FaultKind.STALL_BEFORE, times=2))
        stalled = [
            Asking(gateway, f"{name}/{name}", 0, x_headrace_deadline_ms="3000")
            for name in ("one", "two")
        ]
        eventually(lambda: flow_told(gateway, "one", "one")["inflight"] == 1)
        eventually(lambda: flow_told(gateway, "two", "two")["inflight"] == 1)
        first = Asking(gateway, "one/one", 1)
        eventually(lambda: waiting(gateway, "one", "one") == 1)
        low = {"x-headrace-priority": "low"}
        with connect(gateway.url) as leaver:
            leaver.send(encode_request(OPENAI.path, OPENAI.document("smart"), headers=low))
            eventually(lambda: waiting(gateway, "two", "two") == 1)
        eventually(lambda: waiting(gateway, "two", "two") == 0)
        assert [each.end().status for each in stalled] == [504, 504]
        assert first.end().status == 200
        assert sim.stats().requests[OPENAI.path] == {"one": 2, "two": 1}
        assert flow_told(gateway, "two", "two")["inflight"] == 0


@pytest.mark.heavy
def test_who_waits_while_a_target_breaks_is_not_sent_there(
    tmp_path: Path, sim: ThreadedSim
) -> None:
    one = provider(sim.url, limit={"inflight_max": 1}, breaker={"row_max": 3, "open_s": 60})
    with gateway_to(tmp_path, one=one) as gateway:
        sim.script(
            Fault(kind=FaultKind.STATUS, status=500, delay_ms=1000),
            Fault(kind=FaultKind.STATUS, status=500, times=None),
        )
        asking = [Asking(gateway, "one/one", 0)]
        eventually(lambda: flow_told(gateway, "one", "one")["inflight"] == 1)
        asking += [Asking(gateway, "one/one", number) for number in range(1, 10)]
        answers = [each.end() for each in asking]
        told = sorted((answer.status, answer.error["code"]) for answer in answers)
        assert [status for status, _ in told] == [500] * 3 + [503] * 7
        assert {code for status, code in told if status == 503} == {"circuit_open"}
        assert sim.stats().requests[OPENAI.path]["one"] == 3
        assert flow_told(gateway, "one", "one")["inflight"] == 0
        gateway.wait_until_quiet()


@pytest.mark.heavy
def test_who_waits_through_a_reload_has_a_turn(tmp_path: Path, sim: ThreadedSim) -> None:
    with gateway_to(tmp_path, one=provider(sim.url)) as gateway:
        wait = {"retry-after": "2"}
        sim.script(Fault(kind=FaultKind.STATUS, status=429, headers=wait))
        assert ask(gateway, "one/one").status == 429
        late = Asking(gateway, "one/one", 1)
        eventually(lambda: waiting(gateway, "one", "one") == 1)
        changed = provider(sim.url, connections_max=7)
        gateway.write_settings({"providers": {"one": changed}})
        assert gateway.reload()["event"] == "reloaded"
        assert late.end().status == 200
        gateway.wait_until_quiet()
