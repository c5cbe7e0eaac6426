"""What will be used again gets room and time in memory."""

import json
import sys

import pytest
from tests.support.engine import TTL_S, StillEngine, run

from headrace.errors import SettingsInvalid
from headrace.gateway.stock.answers import Answers

# Room.


async def fill_with_what_is_used(still: StillEngine) -> None:
    """Fill the memory with answers that are dear and used all the time, and let some leave."""
    still.foresight._gate._uniform = lambda: 0.99  # type: ignore[union-attr]
    for turn in range(40):
        for number in range(10):
            await still.ask(f"dear {number + (turn % 2)}")


def test_a_full_memory_takes_in_only_what_is_worth_its_room() -> None:
    async def test(still: StillEngine) -> None:
        await fill_with_what_is_used(still)
        assert await still.ask("cheap and never again", "cheap") == "miss"
        refused = still.count("cache_refusals", "not_worth")
        assert refused == still.engine.desk.told()["reuse"]["refused"] > 0
        assert len(still.engine.cache) == 10
        assert await still.ask("dear 5") == "l1"

    run(test, entries_max=10, second_usd=0.0, reuse={"enabled": True})


def test_an_answer_that_is_held_already_always_finds_room() -> None:
    async def test(still: StillEngine) -> None:
        await fill_with_what_is_used(still)
        gate = still.foresight._gate
        assert gate is not None
        gate._price = 1e9
        before = still.count("cache_stores")
        assert await still.ask("dear 5", looks_up=False) == "miss"
        assert still.count("cache_stores") == before + 1

    run(test, entries_max=10, reuse={"enabled": True})


def test_a_memory_that_is_not_full_takes_in_everything() -> None:
    async def test(still: StillEngine) -> None:
        gate = still.foresight._gate
        assert gate is not None
        gate._price = 1e9
        for number in range(10):
            assert await still.ask(str(number), "cheap") == "miss"
            assert await still.ask(str(number), "cheap") == "l1"

    run(test, reuse={"enabled": True})


# Time.

LIVES = {"enabled": True, "ttl_s_min": 5, "ttl_s_max": 3600}


async def learn_that_nothing_is_used_twice(still: StillEngine) -> None:
    for number in range(150):
        await still.ask(f"once {number}")
    still.pass_time(2 * TTL_S)


def test_what_will_hardly_be_used_leaves_memory_early() -> None:
    async def test(still: StillEngine) -> None:
        await learn_that_nothing_is_used_twice(still)
        assert len(still.engine.cache) == 0
        assert await still.ask("once more") == "miss"
        still.pass_time(TTL_S / 2)
        assert len(still.engine.cache) == 0
        assert still.engine.desk.told()["reuse"]["let_go"] >= 1

    run(test, reuse=LIVES)


def test_what_is_used_stays_its_whole_life() -> None:
    async def test(still: StillEngine) -> None:
        await learn_that_nothing_is_used_twice(still)
        assert await still.ask("often") == "miss"
        for _ in range(24):
            still.pass_time(4.0)
            assert await still.ask("often") == "l1"
        still.pass_time(10.0)
        assert len(still.engine.cache) == 0

    run(test, reuse=LIVES)


def test_a_life_that_the_caller_set_is_not_shortened() -> None:
    async def test(still: StillEngine) -> None:
        await learn_that_nothing_is_used_twice(still)
        assert await still.ask("once more", ttl_s=80.0) == "miss"
        still.pass_time(75.0)
        assert len(still.engine.cache) == 1

    run(test, reuse=LIVES)


# What it costs, and what it tells.


def test_without_it_the_way_of_a_repeat_is_the_same() -> None:
    async def test(still: StillEngine) -> None:
        answers = still.engine.stock.answers
        assert still.engine.stock.foresight is None
        assert "repeat" not in vars(answers)
        assert still.engine.pipeline.repeat.__func__ is Answers.repeat  # type: ignore[attr-defined]
        told = still.engine.desk.told()
        assert (told["reuse"], told["prefetch"]) == (None, None)

    run(test)


def test_uses_of_every_kind_are_learned_once_each() -> None:
    async def test(still: StillEngine) -> None:
        await still.ask("a")  # a miss
        still.pass_time(1.0)
        await still.ask("a")  # a repeat by its bytes
        still.pass_time(1.0)
        await still.ask("a", "p/m")  # the same in other bytes
        still.pass_time(1.0)
        (trail,) = still.foresight._forecast._history._trails.values()
        assert trail.hits == 2

    run(test, reuse={"enabled": True})


def test_what_is_asked_for_many_times_within_one_step_is_one_use() -> None:
    async def test(still: StillEngine) -> None:
        await still.ask("a")
        still.pass_time(1.0)
        for _ in range(50):
            assert await still.ask("a") == "l1"
        still.pass_time(1.0)
        (trail,) = still.foresight._forecast._history._trails.values()
        assert trail.hits == 1

    run(test, reuse={"enabled": True})


def test_it_tells_who_foresees_and_how_well() -> None:
    async def test(still: StillEngine) -> None:
        await learn_that_nothing_is_used_twice(still)
        told = still.engine.desk.told()["reuse"]
        assert told["answering"] in ("category", "interval", "learned")
        assert set(told["log_losses"]) == {"category", "interval", "learned"}
        assert told["outcomes"] >= 100
        assert told["used_share"] == 0.0
        json.dumps(told)

    run(test, reuse=LIVES)


def test_without_numpy_the_settings_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "headrace.cache.reuse.predictor", None)
    with pytest.raises(SettingsInvalid, match=r"headrace\[semantic\]"):
        StillEngine(reuse={"enabled": True})
