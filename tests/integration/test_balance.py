"""Which of a model's targets is asked first, with real calls to several providers."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.support.gateway import Gateway
from tests.support.house import OPENAI, free_port
from tests.support.wire import Response

from headrace.sim.faults import Fault, FaultKind
from headrace.sim.options import SimOptions
from headrace.sim.thread import ThreadedSim, running

SLOW = {"x-sim-ttft-ms": "700"}


@pytest.fixture(scope="module")
def sims() -> Iterator[dict[str, ThreadedSim]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(running(SimOptions())) for name in ("one", "two")}


@pytest.fixture(autouse=True)
def mended(sims: dict[str, ThreadedSim]) -> None:
    for sim in sims.values():
        sim.reset()


def settings(
    sims: dict[str, ThreadedSim], balance: str, *, slow: str = "", **provider: Any
) -> dict[str, Any]:
    """A model `smart` with a target at each provider, of which one may be slow."""
    usual = {"dialect": "openai", "retry": {"tries_max": 1}, "warm_connections": 0, **provider}
    return {
        "providers": {
            name: {**usual, "base_url": f"{sim.url}/v1", "headers": SLOW if name == slow else {}}
            for name, sim in sims.items()
        },
        "models": {"smart": {"targets": ["one/m", "two/m"], "balance": balance}},
    }


def ask(gateway: Gateway, number: int, session: str = "", **fields: Any) -> Response:
    document = OPENAI.document("smart", **{"seed": number, **fields})
    response = gateway.post(OPENAI.path, document, headers={"x-headrace-session": session})
    assert response.status == 200, response
    return response


def who(gateway: Gateway, number: int, session: str = "", **fields: Any) -> str:
    return ask(gateway, number, session, **fields).headers["x-headrace-provider"]


def test_shares_are_those_of_the_weights(tmp_path: Path, sims: dict[str, ThreadedSim]):
    wanted = settings(sims, "weighted")
    wanted["models"]["smart"]["targets"][0] = {"target": "one/m", "weight": 3}
    with Gateway(tmp_path, wanted) as gateway:
        assert [who(gateway, number) for number in range(8)] == ["one", "one", "two", "one"] * 2
        # Whoever has answered, what is stored is found, and takes nobody's turn.
        assert {ask(gateway, number).cache for number in range(8)} == {"l1"}
        assert [who(gateway, number) for number in range(8, 12)] == ["one", "one", "two", "one"]


@pytest.mark.heavy
@pytest.mark.parametrize("balance", ["least-loaded", "latency"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_slow_one_is_avoided_once_it_is_known(
    tmp_path: Path, sims: dict[str, ThreadedSim], balance: str, stream: bool
):
    with Gateway(tmp_path, settings(sims, balance, slow="one")) as gateway:
        asked = Counter(who(gateway, number, stream=stream) for number in range(12))
        assert asked["one"] <= 1
        told = gateway.get("/admin/flow").json()["models"]["smart"]
        assert told["balance"] == balance
        assert told["targets"]["two/m"]["calls"] == 0
        assert 0 < told["targets"]["two/m"]["latency_ms"] < 700


@pytest.mark.parametrize("balance", ["least-loaded", "latency"])
@pytest.mark.parametrize("status", [500, 429])
def test_who_fails_at_once_does_not_get_all_calls(
    tmp_path: Path, sims: dict[str, ThreadedSim], balance: str, status: int
):
    """Nor is it the first try of every call, though no breaker opens."""
    wanted = settings(sims, balance, breaker={"enabled": False})
    with Gateway(tmp_path, wanted) as gateway:
        sims["one"].script(Fault(kind=FaultKind.STATUS, status=status, times=None))
        answers = [ask(gateway, number) for number in range(12)]
        assert {each.headers["x-headrace-provider"] for each in answers} == {"two"}
        assert sum(each.headers["x-headrace-attempts"] == "2" for each in answers) <= 2


def test_cheapest_is_first(tmp_path: Path, sims: dict[str, ThreadedSim]):
    wanted = settings(sims, "cost")
    wanted["models"]["smart"]["price"] = {"input": 10, "output": 10}
    wanted["models"]["other"] = {"targets": ["two/m"], "price": {"input": 1, "output": 1}}
    with Gateway(tmp_path, wanted) as gateway:
        assert {who(gateway, number) for number in range(4)} == {"two"}
        sims["two"].script(Fault(kind=FaultKind.STATUS, status=500))
        assert who(gateway, 4) == "one"


def test_most_quota_left_is_first(tmp_path: Path, sims: dict[str, ThreadedSim]):
    wanted = settings(sims, "quota")
    for name, requests in (("one", 10), ("two", 40)):
        wanted["providers"][name]["quota"] = {"requests_per_minute": requests, "burst_s": 60}
    with Gateway(tmp_path, wanted) as gateway:
        asked = Counter(who(gateway, number) for number in range(20))
        assert 2 <= asked["one"] <= 7


def test_session_stays_and_moves_when_its_target_is_out(
    tmp_path: Path, sims: dict[str, ThreadedSim]
):
    wanted = settings(sims, "sticky", breaker={"row_max": 1, "open_s": 60})
    with Gateway(tmp_path, wanted) as gateway:
        homes = {f"s{number}": who(gateway, number, f"s{number}") for number in range(16)}
        assert set(homes.values()) == {"one", "two"}
        for number, (session, home) in enumerate(homes.items(), 100):
            assert who(gateway, number, session) == home
        sims["one"].script(Fault(kind=FaultKind.STATUS, status=500))
        assert {who(gateway, 200 + at, each) for at, each in enumerate(homes)} == {"two"}


def test_conversation_is_a_session(tmp_path: Path, sims: dict[str, ThreadedSim]):
    """What it begins with decides, whatever is said later."""
    with Gateway(tmp_path, settings(sims, "sticky")) as gateway:
        homes = set()
        for topic in range(12):
            said = [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": f"Topic {topic}"},
            ]
            home = who(gateway, 0, messages=said)
            said += [{"role": "assistant", "content": "Yes?"}, {"role": "user", "content": "Why?"}]
            assert who(gateway, 0, messages=said) == home
            homes.add(home)
        assert homes == {"one", "two"}


@pytest.mark.heavy
def test_what_was_learnt_outlives_a_reload(tmp_path: Path, sims: dict[str, ThreadedSim]):
    wanted = settings(sims, "latency", slow="one")
    with Gateway(tmp_path, wanted) as gateway:
        asked = [who(gateway, number) for number in range(3)]
        assert asked == ["one", "two", "two"]
        wanted["models"]["more"] = {"targets": ["two/m"]}
        gateway.write_settings(wanted)
        assert gateway.reload()["event"] == "reloaded"
        assert {who(gateway, number) for number in range(10, 14)} == {"two"}
        targets = gateway.get("/admin/flow").json()["models"]["smart"]["targets"]
        assert [targets[name]["calls"] for name in ("one/m", "two/m")] == [0, 0]


@pytest.mark.parametrize("balance", ["in-order", "weighted", "least-loaded", "sticky"])
def test_all_targets_down_is_told(tmp_path: Path, sims: dict[str, ThreadedSim], balance: str):
    wanted = settings(sims, balance, breaker={"row_max": 2, "open_s": 60})
    for provider in wanted["providers"].values():
        provider["base_url"] = f"http://127.0.0.1:{free_port()}/v1"
    with Gateway(tmp_path, wanted) as gateway:
        answers = [
            gateway.post(OPENAI.path, OPENAI.document("smart", seed=number)) for number in range(4)
        ]
    assert [answer.status for answer in answers] == [502, 502, 503, 503]
    assert answers[-1].error["code"] == "circuit_open"


def test_stream_that_breaks_off_goes_on_at_another_target(
    tmp_path: Path, sims: dict[str, ThreadedSim]
):
    """Whoever is preferred: the one that broke off comes last."""
    wanted = settings(sims, "weighted")
    smart = wanted["models"]["smart"]
    smart |= {"continue_streams": True, "targets": [{"target": "one/m", "weight": 9}, "two/m"]}
    with Gateway(tmp_path, wanted) as gateway:
        sims["one"].script(Fault(kind=FaultKind.CUT, after_chunks=2, times=None))
        for number in range(3):
            response = ask(gateway, number, stream=True)
            assert response.is_whole
            assert OPENAI.final in response.events[-1]


def test_embeddings_are_balanced_too(tmp_path: Path, sims: dict[str, ThreadedSim]):
    with Gateway(tmp_path, settings(sims, "weighted")) as gateway:
        answers = [
            gateway.post("/v1/embeddings", {"model": "smart", "input": f"text {number}"})
            for number in range(6)
        ]
    assert [each.headers["x-headrace-provider"] for each in answers] == ["one", "two"] * 3
