"""`RateLimiter`, from coroutines and threads."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from math import inf

import pytest

from headrace import RateAdmission, RateLimited, RateLimiter
from headrace.clock import ManualClock


class Sleeper:
    """Sleeps by moving the clock; what else is due goes on meanwhile."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.slept_s: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.clock.advance(seconds)
        await asyncio.sleep(0)


def test_check_admits_or_says_how_long_it_takes() -> None:
    clock = ManualClock()
    limiter = RateLimiter(requests_per_minute=60, burst_s=2, clock=clock)
    assert limiter.check("a")
    assert limiter.check("a")
    refused = limiter.check("a")
    assert not refused
    assert refused.limit == "requests"
    assert refused.retry_after_s == pytest.approx(1)
    assert limiter.check("b"), "another caller"
    clock.advance(refused.retry_after_s)
    assert limiter.check("a")


def test_headers_say_how_it_stands() -> None:
    limiter = RateLimiter(requests_per_minute=60, tokens_per_minute=600, clock=ManualClock())
    admitted = limiter.check(tokens=600)
    assert admitted.headers == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-limit-tokens": "600",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "1m0s",
    }
    assert limiter.check(tokens=5).headers["retry-after"] == "1"
    assert "retry-after" not in limiter.check(tokens=601).headers
    assert limiter.check(tokens=601).retry_after_s == inf


def test_only_the_first_end_counts() -> None:
    limiter = RateLimiter(tokens_per_minute=600, concurrent=1, clock=ManualClock())
    with limiter.check(tokens=600) as admitted:
        assert not limiter.check()
        admitted.settle(100)
    admitted.release()
    admitted.settle(0)
    assert limiter.check(tokens=500)
    refused = limiter.check()
    refused.release()
    assert not limiter.check(), "the end of a refused call gives no place"


def test_wait_waits_as_long_as_it_takes() -> None:
    sleeper = Sleeper()

    async def run() -> None:
        limiter = RateLimiter(requests_per_minute=60, burst_s=1, clock=sleeper.clock, sleep=sleeper)
        for _ in range(3):
            with await limiter.wait("a"):
                pass

    asyncio.run(run())
    assert sleeper.slept_s == pytest.approx([1, 1])


def test_wait_says_at_once_what_would_take_too_long() -> None:
    sleeper = Sleeper()

    async def run() -> None:
        limiter = RateLimiter(requests_per_minute=60, burst_s=1, clock=sleeper.clock, sleep=sleeper)
        await limiter.wait()
        for _ in range(2):
            with pytest.raises(RateLimited, match="limit of requests") as told:
                await limiter.wait(timeout_s=0.5)
            assert told.value.retry_after_s == pytest.approx(1)
        await limiter.wait(timeout_s=1)

    asyncio.run(run())
    assert sleeper.slept_s == pytest.approx([1])


def test_what_can_never_go_is_refused_without_a_time() -> None:
    async def run() -> None:
        limiter = RateLimiter(tokens_per_minute=10, concurrent=1)
        with pytest.raises(RateLimited, match="ask for less") as told:
            await limiter.wait(tokens=11)
        assert told.value.retry_after_s is None
        assert limiter.check(), "its place is free again"

    asyncio.run(run())


def test_calls_at_once_are_waited_for_in_the_order_of_asking() -> None:
    async def run() -> list[str]:
        limiter = RateLimiter(concurrent=1)
        order: list[str] = []

        async def call(name: str) -> None:
            with await limiter.wait():
                order.append(name)
                await asyncio.sleep(0)

        first = await limiter.wait()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call(name)) for name in "abcd"]
            await asyncio.sleep(0)
            tasks[1].cancel()
            await asyncio.sleep(0)
            first.release()
        assert limiter.check()
        return order

    assert asyncio.run(run()) == ["a", "c", "d"]


def test_a_place_that_came_too_late_is_handed_on() -> None:
    async def run() -> None:
        limiter = RateLimiter(concurrent=1)
        first = await limiter.wait()
        waiting = asyncio.ensure_future(limiter.wait())
        behind = asyncio.ensure_future(limiter.wait())
        await asyncio.sleep(0)
        first.release()  # granted, and given up before it hears of it
        waiting.cancel()
        second = await behind
        assert waiting.cancelled()
        second.release()
        assert limiter.check()

    asyncio.run(run())


def test_nobody_waits_for_a_place_longer_than_asked() -> None:
    async def run() -> None:
        limiter = RateLimiter(concurrent=1)
        first = await limiter.wait()
        with pytest.raises(RateLimited, match="concurrent"):
            await limiter.wait(timeout_s=0.001)
        first.release()
        assert limiter.check()

    asyncio.run(run())


def test_a_wait_that_is_given_up_gives_back_what_it_had_booked() -> None:
    clock = ManualClock()

    async def run() -> None:
        never = asyncio.Event()

        async def sleep(seconds: float) -> None:
            await never.wait()

        limiter = RateLimiter(
            requests_per_minute=60, tokens_per_minute=60, burst_s=10, clock=clock, sleep=sleep
        )
        await limiter.wait(tokens=10)
        waiting = asyncio.ensure_future(limiter.wait(tokens=5))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        clock.advance(1)
        assert limiter.check(tokens=1)

    asyncio.run(run())


def test_a_place_is_not_lost_to_a_loop_that_is_gone() -> None:
    limiter = RateLimiter(concurrent=1)
    held = limiter.check()
    loop = asyncio.new_event_loop()
    waiting = loop.create_task(limiter.wait())
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    held.release()
    assert limiter.check()
    with pytest.raises(asyncio.CancelledError):
        waiting.get_coro().throw(asyncio.CancelledError())
    waiting._log_destroy_pending = False


def test_threads_admit_what_the_limit_allows_and_no_more() -> None:
    limiter = RateLimiter(requests_per_minute=500, concurrent=10_000, clock=ManualClock())

    def ask(_: int) -> bool:
        with limiter.check("a") as admitted:
            return bool(admitted)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask, range(2000))) == 500


def test_a_thread_hands_its_place_to_a_coroutine() -> None:
    async def run() -> None:
        limiter = RateLimiter(concurrent=1)
        held = limiter.check()
        waiting = asyncio.ensure_future(limiter.wait())
        await asyncio.sleep(0)
        await asyncio.to_thread(held.release)
        assert await waiting

    asyncio.run(run())


def test_the_table_has_a_bound_and_forgets_nobody_with_a_call_under_way() -> None:
    limiter = RateLimiter(requests_per_minute=1, callers_max=2, clock=ManualClock())
    busy = limiter.check("busy")
    limiter.check("idle").release()
    assert limiter.check("new")
    assert not limiter.check("busy"), "still remembered"
    assert limiter.check("idle"), "was forgotten"
    busy.release()


@pytest.mark.parametrize("tokens", [-1, inf, float("nan")])
def test_tokens_that_are_none(tokens: float) -> None:
    limiter = RateLimiter(tokens_per_minute=5)
    with pytest.raises(ValueError, match="0 or more"):
        limiter.check(tokens=tokens)
    admitted = limiter.check(tokens=5)
    with pytest.raises(ValueError, match="0 or more"):
        admitted.settle(tokens)
    assert isinstance(admitted, RateAdmission)


def test_arguments_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match="callers_max"):
        RateLimiter(callers_max=0)
    with pytest.raises(ValueError, match="concurrent"):
        RateLimiter(concurrent=0)
