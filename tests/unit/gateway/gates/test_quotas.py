"""Who is called up, waits for a key with room, in order; nobody is forgotten, whatever happens."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import pytest

from headrace.clock import ManualClock
from headrace.errors import Overloaded
from headrace.flow.limit.fixed import FixedLimit
from headrace.flow.limiter import Limiter
from headrace.flow.quota.key import KeyQuota, Need, QuotaLimits, Reservation
from headrace.flow.quota.told import NOTHING, Told
from headrace.gateway.gates.quotas import Allowance, Key, Keys
from headrace.settings import Secret


class Meter:
    """What was told of keys."""

    def __init__(self) -> None:
        self.limited: list[int] = []
        self.shares: Mapping[tuple[int, str], float] = {}

    def refused(self, key: int) -> None:
        self.limited.append(key)

    def keys_used(self, shares: Mapping[tuple[int, str], float]) -> None:
        self.shares = shares


class Call:
    """A call that was called up, and what became of it."""

    def __init__(self, tokens: float = 0.0, priority: int = 1, due_s: float = 1e9) -> None:
        self.need = Need.of(tokens, 0.0)
        self.priority = priority
        self.due_s = due_s
        self.key: int | None = None
        self.quota: KeyQuota | None = None
        self.reservation: Reservation | None = None
        self.gave_up_s: float | None = None
        self.is_closed = self.has_left = self.is_settled = False
        self.gone = asyncio.Event()

    def takes(self, key: int, quota: KeyQuota, reservation: Reservation) -> None:
        self.key, self.quota, self.reservation = key, quota, reservation
        self.gone.set()

    def gives_up(self, wait_s: float) -> None:
        self.gave_up_s = wait_s

    def closes(self) -> None:
        self.is_closed = True


class Desk:
    """An allowance of keys with so many requests a minute each, on a clock that stands still."""

    def __init__(
        self,
        *per_minute: float,
        tokens: float | None = None,
        share: float = 1.0,
        per_model: bool = True,
    ) -> None:
        self.clock = ManualClock()
        self.meter = Meter()
        keys = [
            Key(
                number,
                "",
                Secret(f"sk-{number}"),
                QuotaLimits(
                    requests_per_minute=limit, tokens_per_minute=tokens, headroom=0, share=share
                ),
                per_model=per_model,
            )
            for number, limit in enumerate(per_minute, 1)
        ]
        self.keys = Keys("p", keys, self.clock, self.meter)
        self.allowance: Allowance = self.keys.allowance("m")
        self.freed = 0
        limiter = Limiter(FixedLimit(1000), clock=self.clock)
        self.allowance.bind(limiter, self._free)

    def _free(self) -> None:
        self.freed += 1

    def call(self, tokens: float = 0.0, priority: int = 1, due_s: float = 1e9) -> Call:
        call = Call(tokens, priority, due_s)
        self.allowance.call_up(call)
        return call

    def use_up(self, calls: int) -> list[Call]:
        used = [self.call() for _ in range(calls)]
        assert all(call.key is not None for call in used)
        return used

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.allowance.sweep()


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


def test_who_finds_no_room_goes_when_there_is() -> None:
    async def test() -> None:
        desk = Desk(60)
        desk.use_up(60)
        call = desk.call()
        assert (call.key, desk.allowance.waiting) == (None, 1)
        assert desk.allowance.try_acquire() is None  # nobody else has a turn meanwhile
        desk.pass_time(0.5)
        assert call.key is None
        desk.pass_time(0.5)
        assert (call.key, desk.allowance.waiting) == (0, 0)
        assert desk.freed == 1
        assert desk.allowance.try_acquire() is not None

    run(test)


def test_the_alarm_goes_off_by_itself() -> None:
    async def test() -> None:
        desk = Desk(60_000)
        desk.use_up(60_000)
        call = desk.call()
        desk.clock.advance(0.001)
        await asyncio.wait_for(call.gone.wait(), 30)
        assert call.key == 0

    run(test)


def test_what_comes_back_is_handed_on() -> None:
    async def test() -> None:
        desk = Desk(60)
        used = desk.use_up(60)
        call = desk.call()
        first = used[0].reservation
        assert first is not None
        first.cancel()
        desk.allowance.freed()
        assert call.key is None  # not before this turn of the loop is over
        await asyncio.sleep(0)
        assert call.key == 0

    run(test)


def test_a_higher_class_goes_ahead() -> None:
    async def test() -> None:
        desk = Desk(60)
        desk.use_up(60)
        low = desk.call(priority=3)
        assert desk.allowance.ahead(3) is None
        assert desk.allowance.ahead(1) is not None
        high = desk.call(priority=1)
        desk.pass_time(1.0)
        assert (high.key, low.key) == (0, None)
        desk.pass_time(1.0)
        assert low.key == 0

    run(test)


def test_all_of_a_higher_class_go_ahead() -> None:
    async def test() -> None:
        desk = Desk(60)
        desk.use_up(60)
        low = desk.call(priority=3)
        first = desk.call(priority=1)
        assert desk.allowance.ahead(3) is None
        assert desk.allowance.ahead(1) is not None
        second = desk.call(priority=1)
        for _ in range(3):
            desk.pass_time(1.0)
            gone = [call.key is not None for call in (first, second, low)]
            assert gone == sorted(gone, reverse=True)
        assert low.key == 0

    run(test)


def test_a_large_call_is_not_overtaken_by_small_ones() -> None:
    async def test() -> None:
        desk = Desk(6000, tokens=6000)
        desk.call(tokens=5000)
        large = desk.call(tokens=5000)
        assert desk.allowance.ahead(1) is None
        desk.pass_time(30)
        assert large.key is None
        desk.pass_time(10)
        assert large.key == 0

    run(test)


def test_models_that_share_a_quota_share_a_line() -> None:
    async def test() -> None:
        desk = Desk(6000, tokens=6000, per_model=False)
        other, others_freed = desk.keys.allowance("small"), asyncio.Event()
        other.bind(Limiter(FixedLimit(1000), clock=desk.clock), others_freed.set)
        desk.call(tokens=5000)
        large, late = desk.call(tokens=5000), Call(1000)
        assert other.try_acquire() is None
        assert other.ahead(1) is None
        other.call_up(late)  # of one who had its turn already
        assert (desk.allowance.waiting, other.waiting) == (1, 1)
        desk.pass_time(30)
        assert (large.key, late.key) == (None, None)
        desk.pass_time(10)
        assert (large.key, late.key) == (0, None)
        assert (desk.allowance.waiting, other.waiting) == (0, 1)
        desk.allowance.close()
        assert not late.is_closed
        other.leave(late)
        await asyncio.wait_for(others_freed.wait(), 30)
        assert other.try_acquire() is not None

    run(test)


def test_models_with_quotas_of_their_own_do_not_wait_for_each_other() -> None:
    async def test() -> None:
        desk = Desk(60)
        other = desk.keys.allowance("small")
        other.bind(Limiter(FixedLimit(1000), clock=desk.clock), lambda: None)
        desk.use_up(60)
        desk.call()
        assert other.try_acquire() is not None

    run(test)


def test_a_call_above_a_workers_part_waits_until_that_is_full() -> None:
    async def test() -> None:
        desk = Desk(6000, tokens=1000, share=0.5)
        desk.call(tokens=100)
        late, early = desk.call(tokens=800, due_s=5.0), desk.call(tokens=800, due_s=13.0)
        assert late.gave_up_s == pytest.approx(12.0)
        desk.pass_time(12.0)
        assert early.key == 0

    run(test)


def test_who_cannot_wait_is_told_how_long_it_takes() -> None:
    async def test() -> None:
        desk = Desk(60)
        desk.use_up(60)
        call = desk.call(due_s=0.5)
        assert call.gave_up_s == pytest.approx(1.0)
        assert desk.allowance.waiting == 0
        assert desk.allowance.turns_s(10) == pytest.approx(10.0)

    run(test)


def test_who_waits_gives_up_where_a_key_is_shut_meanwhile() -> None:
    async def test() -> None:
        desk = Desk(60)
        used = desk.use_up(60)
        call = desk.call(due_s=10.0)
        quota = used[0].quota
        assert quota is not None
        quota.observe(Told((), 50.0), desk.clock.monotonic_s(), used[0].reservation, 429)
        desk.pass_time(1.0)
        assert call.key is None
        assert call.gave_up_s is not None
        assert call.gave_up_s > 45

    run(test)


def test_whoever_leaves_holds_nobody_up() -> None:
    async def test() -> None:
        desk = Desk(60)
        desk.use_up(60)
        first, second = desk.call(priority=1), desk.call(priority=0)
        desk.allowance.leave(second)
        desk.allowance.leave(second)
        desk.pass_time(1.0)
        assert (first.key, second.key) == (0, None)
        desk.allowance.leave(first)  # has gone already

    run(test)


def test_at_the_end_everybody_is_told() -> None:
    async def test() -> None:
        desk = Desk(60)
        desk.use_up(60)
        calls = [desk.call(priority=2), desk.call(priority=1)]
        desk.allowance.close()
        assert all(call.is_closed for call in calls)
        assert desk.allowance.waiting == 0

    run(test)


def test_a_clock_that_jumps_stops_nobody_for_long() -> None:
    async def test() -> None:
        desk = Desk(60)
        desk.use_up(60)
        call = desk.call()
        desk.clock.advance(-100_000)
        desk.allowance.sweep()
        assert call.key is None
        desk.pass_time(1.1)
        assert call.key == 0
        later = desk.call()
        desk.pass_time(1_000_000)
        assert later.key == 0
        desk.use_up(59)  # a minute's worth, however long it was
        assert desk.call().key is None

    run(test)


def test_the_key_with_most_left_is_taken() -> None:
    async def test() -> None:
        desk = Desk(30, 60)
        keys = [call.key for call in desk.use_up(90)]
        assert (keys.count(0), keys.count(1)) == (30, 60)
        assert desk.allowance.room == -1.0
        assert desk.allowance.closed_s == pytest.approx(1.0)
        assert not desk.allowance.others_have_room(0, Need.of(0, 0))
        desk.keys.refresh_gauges()
        assert desk.meter.shares[1, "requests"] == pytest.approx(1.0)

    run(test)


def test_a_call_that_no_key_ever_holds() -> None:
    desk = Desk(60, tokens=1000)
    assert desk.allowance.holds(Need.of(900, 100))
    assert not desk.allowance.holds(Need.of(900, 101))


def test_an_errand_waits_for_nobody() -> None:
    async def test() -> None:
        desk = Desk(2)
        for _ in range(2):
            with desk.allowance.errand(b"{}", has_output=False) as key:
                assert key == 0
        with pytest.raises(Overloaded) as refused, desk.allowance.errand(b"{}", has_output=False):
            pass
        assert refused.value.code == "quota_exhausted"
        assert refused.value.retry_after_s == pytest.approx(30.0)

    run(test)


def test_keys_go_on_after_a_reload_and_others_begin_anew() -> None:
    desk, later = Desk(60, 60), Desk(120)
    now_s = desk.clock.monotonic_s()
    quota = desk.keys.keys[0].quota("m", now_s)
    for _ in range(30):
        quota.reserve(Need.of(0, 0), now_s)
    later.keys.inherit(desk.keys)
    same = later.keys.keys[0].quota("m", now_s)
    assert same is quota
    (left,) = same.left(now_s)
    assert (left.per_minute, left.left) == (120, 30)
    other = Key(1, "", Secret("sk-new"), QuotaLimits(), per_model=True)
    assert not other.inherit(desk.keys.keys[0], now_s)


def test_all_models_together_or_each_by_itself() -> None:
    for per_model in (True, False):
        key = Key(1, "", None, QuotaLimits(requests_per_minute=6), per_model=per_model)
        assert (key.quota("a", 0.0) is key.quota("b", 0.0)) is not per_model


def test_a_key_that_was_never_limited_costs_no_waiting() -> None:
    async def test() -> None:
        desk = Desk(60)
        key = Key(1, "", None, QuotaLimits(), per_model=True)
        desk.keys = Keys("p", [key], desk.clock, desk.meter)
        allowance = desk.keys.allowance("m")
        calls = [Call() for _ in range(1000)]
        for call in calls:
            allowance.call_up(call)
        assert all(call.key == 0 for call in calls)
        assert allowance.turns_s(1e6) == 0.0
        quota = calls[0].quota
        assert quota is not None
        quota.observe(NOTHING, 0.0, calls[0].reservation, 200)

    run(test)
