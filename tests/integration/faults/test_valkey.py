"""Whatever becomes of Valkey, callers get right answers, and it is used again when it is back."""

from pathlib import Path
from typing import Any

import pytest
from tests.support.gateway import Gateway
from tests.support.tiered import (
    BACK_TIMEOUT_S,
    DOWN,
    UP,
    asking,
    calling,
    changes,
    lookups,
    state,
    tiered,
    truth,
    words,
    writes,
)
from tests.support.valkey import Valkey, threaded_way
from tests.support.waiting import eventually

from headrace.sim.thread import ThreadedSim

PATIENT_MS = 2000
QUICK_MS = 50


def shared(sim: ThreadedSim, url: str, timeout_ms: int = PATIENT_MS) -> dict[str, Any]:
    return tiered(sim, cache={"shared": url, "tier_timeout_ms": timeout_ms})


def test_down_at_start_and_up_later(sim: ThreadedSim, valkey: Valkey, tmp_path: Path):
    valkey.kill()
    with Gateway(tmp_path, shared(sim, valkey.url)) as gateway, calling(gateway, sim) as callers:
        assert set(callers.answered()) <= {"miss", "joined", "l1"}
        eventually(lambda: state(gateway, "l2") == DOWN)
        assert lookups(gateway, "l2", "fault") > 0
        eventually(lambda: changes(gateway, "l2") == ["tier_down"])
        valkey.start()
        callers.finds_in("l2")
        eventually(lambda: state(gateway, "l2") == UP)
        eventually(lambda: changes(gateway, "l2") == ["tier_down", "tier_up"])


def test_killed_under_load_and_back_empty(sim: ThreadedSim, valkey: Valkey, tmp_path: Path):
    with Gateway(tmp_path, shared(sim, valkey.url)) as gateway, calling(gateway, sim) as callers:
        callers.finds_in("l2")
        valkey.command("SET", "mark", "before")
        valkey.kill()
        eventually(lambda: state(gateway, "l2") == DOWN, BACK_TIMEOUT_S)
        assert "l2" not in callers.answered()
        valkey.start()
        assert valkey.command("EXISTS", "mark") == 0  # it has forgotten everything
        callers.finds_in("l2")
        eventually(lambda: state(gateway, "l2") == UP, BACK_TIMEOUT_S)
        eventually(lambda: changes(gateway, "l2") == ["tier_down", "tier_up"])


def test_restarted_empty_between_two_questions(sim: ThreadedSim, valkey: Valkey, tmp_path: Path):
    with Gateway(tmp_path, shared(sim, valkey.url)) as gateway:
        right = truth(sim, "Why?")
        asking(gateway, "Why?")
        eventually(lambda: writes(gateway, "l2") == 1)
        valkey.kill()
        valkey.start()
        asking(gateway, "Something else, to push it out of memory.")
        again = asking(gateway, "Why?")
        assert (again.cache, words(again)) == ("miss", right)
        assert changes(gateway, "l2") == []

        def found_below() -> bool:
            asking(gateway, "Something else, to push it out of memory.")
            return asking(gateway, "Why?").cache == "l2"

        eventually(found_below, BACK_TIMEOUT_S)


@pytest.mark.heavy
def test_slow_beyond_the_limit(sim: ThreadedSim, valkey: Valkey, tmp_path: Path):
    with (
        threaded_way(valkey) as way,
        Gateway(tmp_path, shared(sim, way.url, QUICK_MS)) as gateway,
        calling(gateway, sim) as callers,
    ):
        callers.finds_in("l2")
        way.delay_s = 0.2
        eventually(lambda: state(gateway, "l2") == DOWN, BACK_TIMEOUT_S)
        assert lookups(gateway, "l2", "fault") > 0
        asked = way.asked
        assert "l2" not in callers.answered(200)
        assert way.asked - asked < 100  # it is left alone, for leases too: nobody waits for it
        way.delay_s = 0.0
        callers.finds_in("l2")
        eventually(lambda: state(gateway, "l2") == UP, BACK_TIMEOUT_S)


@pytest.mark.heavy
def test_full(sim: ThreadedSim, tmp_path: Path):
    folder = tmp_path / "full"
    folder.mkdir()
    with (
        Valkey(folder, maxmemory_policy="noeviction") as valkey,
        Gateway(tmp_path, shared(sim, valkey.url)) as gateway,
    ):
        asking(gateway, "What was there before?")
        eventually(lambda: writes(gateway, "l2") == 1)
        valkey.command("CONFIG", "SET", "maxmemory", 1)
        with calling(gateway, sim) as callers:
            callers.answered()
            eventually(lambda: state(gateway, "l2") == ("read-only", 1.0), BACK_TIMEOUT_S)
            assert writes(gateway, "l2", "failed") > 0
            found = eventually(lambda: in_l2(gateway, "What was there before?"), BACK_TIMEOUT_S)
            assert found == truth(sim, "What was there before?")
            assert changes(gateway, "l2") == []
            valkey.command("CONFIG", "SET", "maxmemory", 0)
            callers.finds_in("l2")
            eventually(lambda: state(gateway, "l2") == UP, BACK_TIMEOUT_S)
            eventually(lambda: changes(gateway, "l2 writes") == ["tier_down", "tier_up"])


def in_l2(gateway: Gateway, text: str) -> str | None:
    response = asking(gateway, text)
    return words(response) if response.cache == "l2" else None
