"""What is about to expire is asked for ahead of callers, where it is worth it and there is room."""

from typing import Any

import msgspec
import pytest
from tests.support.engine import CALL_S, CALL_USD, TTL_S, StillEngine, run, settings_of

from headrace.cache.tiers import Found
from headrace.gateway.stock.answers import _record
from headrace.upstream.faults import UpstreamFault


def prefetching(**more: Any) -> dict[str, Any]:
    return {"prefetch": {"usd_per_hour": 10, "chance_min": 0.02, **more}}


async def use_until_late(still: StillEngine, text: str = "a") -> None:
    """Ask once, and use the answer now and then, until it is about to expire."""
    assert await still.ask(text) == "miss"
    for _ in range(8):
        still.pass_time(11.0)
        assert await still.ask(text) == "l1"


def test_what_is_used_again_and_again_is_there_when_its_time_is_over() -> None:
    async def test(still: StillEngine) -> None:
        await use_until_late(still)
        still.pass_time(4.0)
        assert len(still.sent) == 1
        assert b'"content": "a"' in still.sent[0][0]
        assert still.prefetch["asking"] == 1
        await still.answer(text="Fresh water.")
        still.pass_time(10.0)
        assert await still.ask("a") == "l1"
        told = still.prefetch
        assert (told["planned"], told["used"], told["wasted"]) == (1, 1, 0)
        assert told["seconds_saved"] == CALL_S
        assert told["spent_usd"] == pytest.approx(CALL_USD)
        assert still.count("cache_calls", "prefetch") == 1
        assert still.count("cache_spent_usd", "prefetch") == pytest.approx(CALL_USD)
        assert still.count("prefetched", "used") == 1
        assert still.count("prefetch_saved_seconds") == CALL_S

    run(test, **prefetching())


def test_what_nobody_used_is_told_as_waste() -> None:
    async def test(still: StillEngine) -> None:
        await use_until_late(still)
        still.pass_time(4.0)
        await still.answer()
        still.pass_time(TTL_S + 5.0)
        told = still.prefetch
        assert (told["used"], told["wasted"], told["wasted_share"]) == (0, 1, 1.0)
        assert still.count("prefetched", "wasted") == 1
        assert still.count("prefetch_wasted_usd") == pytest.approx(CALL_USD)

    run(test, **prefetching(chance_min=0.0))


def test_a_use_before_the_old_answer_is_gone_is_no_merit_of_the_new_one() -> None:
    async def test(still: StillEngine) -> None:
        await use_until_late(still)
        still.pass_time(4.0)
        await still.answer()
        assert await still.ask("a") == "l1"
        assert still.prefetch["used"] == 0

    run(test, **prefetching())


def test_without_a_budget_nothing_is_asked_ahead() -> None:
    async def test(still: StillEngine) -> None:
        await use_until_late(still)
        still.pass_time(11.0)
        assert still.sent == []
        assert still.prefetch is None

    run(test, reuse={"enabled": True}, **prefetching(usd_per_hour=0))


def test_beyond_the_budget_nothing_is_asked_ahead() -> None:
    async def test(still: StillEngine) -> None:
        await use_until_late(still)
        still.pass_time(11.0)
        assert still.sent == []
        assert still.prefetch["refused_budget"] == 1
        assert still.count("prefetch_refusals", "budget") == 1

    run(test, **prefetching(usd_per_hour=0.05))  # a tenth of it at once is half a call


@pytest.mark.parametrize(("workers", "asked"), [(1, 1), (2, 0)])
def test_workers_share_the_budget(workers: int, asked: int) -> None:
    async def test(still: StillEngine) -> None:
        await use_until_late(still)
        still.pass_time(4.0)
        assert len(still.sent) == asked

    run(test, workers=workers, **prefetching(usd_per_hour=0.16))


def test_a_busy_provider_is_left_alone() -> None:
    async def test(still: StillEngine) -> None:
        await use_until_late(still)
        still.pool._opening += 2
        still.pass_time(12.0)
        assert still.sent == []
        assert still.prefetch["missed"] == 1
        assert still.count("prefetch_refusals", "busy") == 1

    run(test, **prefetching(idle_inflight_max=2))


def test_a_provider_is_given_no_more_than_it_has_room_for() -> None:
    async def test(still: StillEngine) -> None:
        for text in "abc":
            assert await still.ask(text) == "miss"
        for _ in range(8):
            still.pass_time(11.0)
            for text in "abc":
                assert await still.ask(text) == "l1"
        still.pass_time(3.0)
        assert len(still.sent) == 2
        await still.answer()
        still.pass_time(1.0)
        assert len(still.sent) == 1

    run(test, **prefetching(idle_inflight_max=2))


def test_what_will_hardly_be_used_is_not_asked_for() -> None:
    async def test(still: StillEngine) -> None:
        assert await still.ask("a") == "miss"
        still.pass_time(TTL_S)
        assert still.sent == []
        assert still.prefetch["refused_value"] == 1

    run(test, **prefetching(chance_min=0.9))


def test_what_costs_more_than_it_brings_is_not_asked_for() -> None:
    async def test(still: StillEngine) -> None:
        assert await still.ask("a") == "miss"
        still.pass_time(TTL_S)
        assert still.sent == []

    run(test, second_usd=1e-6, **prefetching())


def test_where_no_price_is_known_no_budget_could_be_kept() -> None:
    async def test(still: StillEngine) -> None:
        assert await still.ask("a", model="unpriced") == "miss"
        still.pass_time(TTL_S)
        assert still.sent == []
        assert still.prefetch["kept"] == 0

    run(test, **prefetching())


@pytest.mark.parametrize("way", ["fault", "status"])
def test_a_call_that_fails_is_told_and_given_back_to_the_budget(way: str) -> None:
    async def test(still: StillEngine) -> None:
        await use_until_late(still)
        still.pass_time(4.0)
        if way == "fault":
            still.sent[0][1].on_fault(UpstreamFault("reset", "p", received=True))
        else:
            await still.answer(status=500)
        told = still.prefetch
        assert (told["planned"], told["failed"], told["spent_usd"]) == (1, 1, 0.0)
        assert told["asking"] == 0
        assert still.count("prefetched", "failed") == 1

    run(test, **prefetching())


def test_while_a_caller_asks_the_same_nothing_is_asked_ahead() -> None:
    async def test(still: StillEngine) -> None:
        await use_until_late(still)
        wants_it_anew = still.order("a", age_s_max=0.0)
        still.engine.pipeline.handle_all([wants_it_anew])
        still.pass_time(4.0)
        assert len(still.sent) == 1
        told = still.prefetch
        assert (told["planned"], told["failed"], told["spent_usd"]) == (1, 1, 0.0)
        assert told["asking"] == 0

    run(test, **prefetching())


def test_what_was_purged_is_not_brought_back() -> None:
    async def test(still: StillEngine) -> None:
        assert await still.ask("a", tags=("old",)) == "miss"
        for scope in ("tag:old", "all"):
            still.engine.stock.cellar._ledger.issue(scope)
            still.pass_time(TTL_S)
            assert still.sent == []
        assert still.prefetch["spent_usd"] == 0.0

    run(test, **prefetching(chance_min=0.0))


def test_what_a_tier_had_is_asked_for_ahead_too() -> None:
    async def test(still: StillEngine) -> None:
        await use_until_late(still)
        (entry,) = still.engine.cache._entries.values()
        order = still.order("a")
        still.engine.pipeline.handle_all([order])  # routed; memory has it
        wall_s = still.clock.wall_s()
        times = {"stored_s": wall_s, "fresh_until_s": wall_s + TTL_S, "expires_s": wall_s + TTL_S}
        stored = _record(entry.key, entry.answers[0], entry.terms, still.clock)
        record = msgspec.structs.replace(stored, **times)
        held = still.engine.stock.answers.take_in(order, Found(record, "l2"))
        assert held is not None
        still.pass_time(11.0)
        assert still.sent == [], "it was renewed"
        for _ in range(8):
            assert await still.ask("a") == "l1"
            still.pass_time(10.0)
        assert len(still.sent) == 1

    run(test, **prefetching())


def test_after_a_reload_nothing_is_asked_that_was_asked_before_it() -> None:
    async def test(still: StillEngine) -> None:
        await use_until_late(still)
        assert still.prefetch["kept"] == 1
        still.engine.reload(settings_of(**prefetching()))
        still.pass_time(11.0)
        assert still.sent == []
        assert (still.prefetch["kept"], still.prefetch["kept_bytes"]) == (0, 0)

    run(test, **prefetching())


def test_requests_are_kept_within_a_bound_those_used_last() -> None:
    async def test(still: StillEngine) -> None:
        texts = [name * 300_000 for name in "abcd"]
        for text in texts[:3]:
            assert await still.ask(text) == "miss"
        assert await still.ask(texts[0]) == "l1"
        assert await still.ask(texts[3]) == "miss"
        kept = still.foresight._prefetcher._kept  # type: ignore[union-attr]
        assert [each.body[60:61] for each in kept.values()] == [b"c", b"a", b"d"]
        assert still.prefetch["kept_bytes"] <= 1 << 20
        assert await still.ask("e" * 1_100_000) == "miss"
        assert still.prefetch["kept"] == 3

    run(test, **prefetching(memory_mb=1))
