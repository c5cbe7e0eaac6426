"""Second calls where keys have quotas: by another key, or elsewhere, and both of them count."""

from pathlib import Path

import pytest
from tests.integration.test_hedging import (
    SLOW_MS,
    STALL,
    Pair,
    assert_from,
    both,
    second,
    shared_second,
)
from tests.support.house import free_port

from headrace.sim.faults import Fault, FaultKind
from headrace.sim.thread import ThreadedSim

__all__ = ["second", "shared_second"]  # fixtures

# One comes back in ten seconds: next to nothing while a test looks.
FEW = {"requests_per_minute": 6}


@both
def test_the_only_target_is_asked_by_another_key(tmp_path: Path, sim: ThreadedSim, stream: bool):
    only, nobody = ("one/small",), f"http://127.0.0.1:{free_port()}"
    keys = {"api_keys": [{"key": "sk-a"}, {"key": "sk-b"}], "quota": FEW}
    with Pair(tmp_path, sim, nobody, targets=only, one=keys) as pair:
        pair.learn(stream=stream)
        before = requests_left(pair)
        sim.script(STALL)
        assert_from(pair.ask(stream=stream), "one", 2)
        pair.assert_ended(won=1)
        # Each of the two calls counts, against a key of its own.
        used = [was - left for was, left in zip(before, requests_left(pair), strict=True)]
        assert used == pytest.approx([1, 1], abs=0.5)


@pytest.mark.heavy
def test_a_key_without_room_is_not_asked_twice(tmp_path: Path, sim: ThreadedSim):
    only, nobody = ("one/small",), f"http://127.0.0.1:{free_port()}"
    keys = {"api_keys": [{"key": "sk-a"}, {"key": "sk-b"}], "quota": {"requests_per_minute": 600}}
    with Pair(tmp_path, sim, nobody, targets=only, one=keys) as pair:
        sim.script(Fault(kind=FaultKind.STATUS, status=401, times=1))
        assert_from(pair.ask(), "one", 2)  # one of the two is left alone from here on
        pair.learn()
        sim.script(Fault(kind=FaultKind.SLOW, delay_ms=SLOW_MS))
        assert_from(pair.ask(), "one", 1)
        pair.assert_ended(blocked=1)


def test_another_target_with_quotas_is_asked_where_it_has_room(
    tmp_path: Path, sim: ThreadedSim, second: ThreadedSim
):
    with Pair(tmp_path, sim, second.url, two={"quota": FEW}) as pair:
        pair.learn()
        assert pair.ask(model="two/large").status == 200
        before = requests_left(pair, "two", "large")
        sim.script(STALL)
        assert_from(pair.ask(), "two", 2)
        pair.assert_ended(won=1)
        assert before[0] - requests_left(pair, "two", "large")[0] == pytest.approx(1, abs=0.5)


def requests_left(pair: Pair, provider: str = "one", model: str = "small") -> list[float]:
    """What is left of a provider's keys, in requests."""
    keys = pair.gateway.get("/admin/flow").json()["providers"][provider]["keys"]
    return [float(each["left"][model]["requests"]["left"]) for each in keys]
