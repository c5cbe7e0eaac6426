"""What will be used again gets room and time in memory."""

import json
import sys

import pytest
from tests.support.engine import TTL_S, StillEngine, run

from headrace.errors import SettingsInvalid

# Room.


async def fill_with_what_is_used(house: StillEngine) -> None:
    """Fill the memory with answers that are dear and used all the time, and let some leave."""
    house.foresight._gate._uniform = lambda: 0.99  # type: ignore[union-attr]
    for turn in range(40):
        for number in range(10):
            await house.ask(f"dear {number + (turn % 2)}")


def test_a_full_memory_takes_in_only_what_is_worth_its_room() -> None:
    async def test(house: StillEngine) -> None:
        await fill_with_what_is_used(house)
        assert await house.ask("cheap and never again", "cheap") == "miss"
        refused = house.count("cache_refusals", "not_worth")
        assert refused == house.engine.desk.told()["reuse"]["refused"] > 0
        assert len(house.engine.cache) == 10
        assert await house.ask("dear 5") == "l1"

    run(test, entries_max=10, second_usd=0.0, reuse={"enabled": True})


def test_an_answer_that_is_held_already_always_finds_room() -> None:
    async def test(house: StillEngine) -> None:
        await fill_with_what_is_used(house)
        gate = house.foresight._gate
        assert gate is not None
        gate._price = 1e9
        before = house.count("cache_stores")
        assert await house.ask("dear 5", looks_up=False) == "miss"
        assert house.count("cache_stores") == before + 1

    run(test, entries_max=10, reuse={"enabled": True})


def test_a_memory_that_is_not_full_takes_in_everything() -> None:
    async def test(house: StillEngine) -> None:
        gate = house.foresight._gate
        assert gate is not None
        gate._price = 1e9
        for number in range(10):
            assert await house.ask(str(number), "cheap") == "miss"
            assert await house.ask(str(number), "cheap") == "l1"

    run(test, reuse={"enabled": True})


# Time.

LIVES = {"enabled": True, "ttl_s_min": 5, "ttl_s_max": 3600}


async def learn_that_nothing_is_used_twice(house: StillEngine) -> None:
    for number in range(150):
        await house.ask(f"once {number}")
    house.pass_time(2 * TTL_S)


def test_what_will_hardly_be_used_leaves_memory_early() -> None:
    async def test(house: StillEngine) -> None:
        await learn_that_nothing_is_used_twice(house)
        assert len(house.engine.cache) == 0
        assert await house.ask("once more") == "miss"
        house.pass_time(TTL_S / 2)
        assert len(house.engine.cache) == 0
        assert house.engine.desk.told()["reuse"]["let_go"] >= 1

    run(test, reuse=LIVES)


def test_what_is_used_stays_its_whole_life() -> None:
    async def test(house: StillEngine) -> None:
        await learn_that_nothing_is_used_twice(house)
        assert await house.ask("often") == "miss"
        for _ in range(24):
            house.pass_time(4.0)
            assert await house.ask("often") == "l1"
        house.pass_time(10.0)
        assert len(house.engine.cache) == 0

    run(test, reuse=LIVES)


def test_a_life_that_the_caller_set_is_not_shortened() -> None:
    async def test(house: StillEngine) -> None:
        await learn_that_nothing_is_used_twice(house)
        assert await house.ask("once more", ttl_s=80.0) == "miss"
        house.pass_time(75.0)
        assert len(house.engine.cache) == 1

    run(test, reuse=LIVES)


# What it costs, and what it tells.


def test_without_it_the_way_of_a_repeat_is_the_same() -> None:
    async def test(house: StillEngine) -> None:
        answers = house.engine.stock.answers
        assert house.engine.stock.foresight is None
        assert answers.repeat == answers._repeat
        assert house.engine.pipeline.repeat == answers._repeat
        told = house.engine.desk.told()
        assert (told["reuse"], told["prefetch"]) == (None, None)

    run(test)


def test_uses_of_every_kind_are_learned_once_each() -> None:
    async def test(house: StillEngine) -> None:
        await house.ask("a")  # a miss
        await house.ask("a")  # a repeat by its bytes
        await house.ask("a", "p/m")  # the same in other bytes
        house.pass_time(1.0)
        (trail,) = house.foresight._forecast._history._trails.values()
        assert trail.hits == 2

    run(test, reuse={"enabled": True})


def test_it_tells_who_foresees_and_how_well() -> None:
    async def test(house: StillEngine) -> None:
        await learn_that_nothing_is_used_twice(house)
        told = house.engine.desk.told()["reuse"]
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
