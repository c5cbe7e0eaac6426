"""The public limiter: waiting in turn, outcomes, decorators, cancellation, gates and leaks."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from headrace.errors import DeadlineExceeded, Overloaded, RateLimited, UpstreamBroken
from headrace.flow.adaptive_limiter import AdaptiveConcurrencyLimiter, is_drop
from headrace.flow.limiter import Permit
from headrace.flow.scheduler.priority_scheduler import PriorityScheduler

BOUND_S = 10.0


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(BOUND_S):
            await test()

    asyncio.run(bounded())


class Busy(Exception):
    """As the SDKs of providers raise it."""

    def __init__(self, status_code: int) -> None:
        super().__init__(status_code)
        self.status_code = status_code


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0)


def test_more_wait_and_are_served_in_turn() -> None:
    async def test() -> None:
        limiter = AdaptiveConcurrencyLimiter("fixed", initial=2)
        order: list[int] = []
        most = 0

        async def call(number: int) -> None:
            nonlocal most
            async with limiter.permit():
                order.append(number)
                most = max(most, limiter.inflight)
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as tasks:
            for number in range(10):
                tasks.create_task(call(number))
        assert order == list(range(10))
        assert most == 2
        assert limiter.stats().successes == 10

    run(test)


def test_who_comes_late_does_not_overtake() -> None:
    async def test() -> None:
        limiter = AdaptiveConcurrencyLimiter("fixed", initial=1)
        first = await limiter.acquire()
        waiter = asyncio.create_task(limiter.acquire())
        await until(lambda: limiter.waiting == 1)
        first.success()
        assert limiter.try_acquire() is None
        (await waiter).success()
        assert limiter.try_acquire() is not None

    run(test)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, (1, 0, 0)),
        (Busy(429), (0, 0, 1)),
        (Busy(503), (0, 0, 1)),
        (Busy(529), (0, 0, 1)),
        (Busy(400), (0, 1, 0)),
        (Busy(500), (0, 1, 0)),
        (TimeoutError(), (0, 0, 1)),
        (RateLimited("busy"), (0, 0, 1)),
        (UpstreamBroken("gone"), (0, 1, 0)),
        (ValueError("mine"), (0, 1, 0)),
    ],
)
def test_what_a_block_that_ends_teaches(
    error: Exception | None, outcome: tuple[int, int, int]
) -> None:
    async def test() -> None:
        limiter = AdaptiveConcurrencyLimiter()
        with contextlib.suppress(type(error)) if error else contextlib.nullcontext():
            async with limiter.permit():
                if error is not None:
                    raise error
        stats = limiter.stats()
        assert (stats.successes, stats.ignored, stats.drops) == outcome
        assert stats.inflight == 0

    run(test)


def test_a_block_may_say_itself_how_it_went() -> None:
    async def test() -> None:
        limiter = AdaptiveConcurrencyLimiter("gradient", initial=4)
        async with limiter.permit() as permit:
            permit.drop()
        assert limiter.stats().drops == 1
        assert limiter.stats().successes == 0

    run(test)


def test_the_retry_after_of_an_error_closes_the_gate_and_it_opens_by_itself() -> None:
    async def test() -> None:
        limiter = AdaptiveConcurrencyLimiter()
        with pytest.raises(RateLimited):
            async with limiter.permit():
                raise RateLimited("busy", retry_after_s=0.05)
        assert limiter.stats().closed_s > 0
        assert limiter.try_acquire() is None
        permit = await limiter.acquire()  # nothing runs that could come back: the time wakes it
        assert limiter.stats().closed_s == 0
        permit.success()

    run(test)


def test_whoever_waits_gets_a_permit_that_was_lost() -> None:
    async def test() -> None:
        limiter = AdaptiveConcurrencyLimiter("fixed", initial=1, permit_s_max=0.05)
        await limiter.acquire()  # and never given back
        (await limiter.acquire()).success()
        assert limiter.stats().reclaimed == 1
        assert limiter.inflight == 0

    run(test)


def test_cancelled_waiters_leave_the_line_wherever_they_stand() -> None:
    async def test() -> None:
        limiter = AdaptiveConcurrencyLimiter("fixed", initial=1)
        first = await limiter.acquire()
        waiters = [asyncio.create_task(limiter.acquire()) for _ in range(5)]
        await until(lambda: limiter.waiting == 5)
        for number in (0, 2, 4):
            waiters[number].cancel()
        first.success()
        (await waiters[1]).success()
        (await waiters[3]).success()
        await asyncio.wait(waiters)
        assert [waiter.cancelled() for waiter in waiters] == [True, False, True, False, True]
        assert (limiter.waiting, limiter.inflight) == (0, 0)

    run(test)


def test_a_permit_granted_to_one_who_is_cancelled_goes_on_to_the_next() -> None:
    async def test() -> None:
        limiter = AdaptiveConcurrencyLimiter("fixed", initial=1)
        first = await limiter.acquire()
        leaves = asyncio.create_task(limiter.acquire())
        stays = asyncio.create_task(limiter.acquire())
        await until(lambda: limiter.waiting == 2)
        first.success()  # granted, and not yet awake
        leaves.cancel()
        permit = await stays
        assert limiter.inflight == 1
        permit.success()
        assert limiter.inflight == 0

    run(test)


def test_waiting_ends_with_its_time() -> None:
    async def test() -> None:
        limiter = AdaptiveConcurrencyLimiter("fixed", initial=1)
        await limiter.acquire()
        with pytest.raises(DeadlineExceeded, match=r"0\.01 s"):
            await limiter.acquire(timeout_s=0.01)
        assert limiter.waiting == 0

    run(test)


def test_too_many_waiters_are_refused_at_once() -> None:
    async def test() -> None:
        limiter = AdaptiveConcurrencyLimiter("fixed", initial=1, waiting_max=1)
        first = await limiter.acquire()
        waiter = asyncio.create_task(limiter.acquire())
        await until(lambda: limiter.waiting == 1)
        with pytest.raises(Overloaded, match="1 calls wait already"):
            await limiter.acquire()
        first.success()
        (await waiter).success()

    run(test)


def test_a_cancelled_block_teaches_nothing() -> None:
    async def test() -> None:
        limiter = AdaptiveConcurrencyLimiter()

        async def call() -> None:
            async with limiter.permit():
                await asyncio.Event().wait()

        task = asyncio.create_task(call())
        await until(lambda: limiter.inflight == 1)
        task.cancel()
        await asyncio.wait([task])
        assert limiter.stats().ignored == 1

    run(test)


def test_as_a_decorator() -> None:
    async def test() -> None:
        limiter = AdaptiveConcurrencyLimiter("fixed", initial=1)

        @limiter
        async def double(number: int) -> int:
            """Twice."""
            assert limiter.inflight == 1
            await asyncio.sleep(0)
            return 2 * number

        assert await asyncio.gather(*map(double, range(5))) == [0, 2, 4, 6, 8]
        assert double.__doc__ == "Twice."

    run(test)


def test_only_coroutine_functions_can_be_decorated() -> None:
    plain: Any = len
    with pytest.raises(TypeError, match="coroutine"):
        AdaptiveConcurrencyLimiter()(plain)


def test_a_scheduler_can_decide_whose_turn_it_is() -> None:
    async def test() -> None:
        limiter = AdaptiveConcurrencyLimiter("fixed", initial=1)
        scheduler = PriorityScheduler(limiter)
        order: list[str] = []

        async def call(name: str, priority: Any) -> None:
            permit = await scheduler.acquire(priority=priority)
            order.append(name)
            permit.drop(0.02 if name == "first" else None)

        first = await scheduler.acquire()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(call("last", "low"))
            tasks.create_task(call("first", "high"))
            await until(lambda: scheduler.waiting == 2)
            first.success()
        assert order == ["first", "last"]  # the gate between them opened by itself
        assert limiter.inflight == 0

    run(test)


def test_errors_of_ones_own_can_be_told() -> None:
    async def test() -> None:
        limiter = AdaptiveConcurrencyLimiter(is_drop=lambda error: isinstance(error, KeyError))
        with pytest.raises(KeyError):
            async with limiter.permit():
                raise KeyError
        assert limiter.stats().drops == 1

    run(test)


@pytest.mark.parametrize("name", ["cubic", "aimd", "gradient", "gradient2", "vegas", "fixed"])
def test_every_algorithm_serves_and_minds_refusals_but_the_fixed_one(name: Any) -> None:
    async def test() -> None:
        limiter = AdaptiveConcurrencyLimiter(name, initial=20, limit_max=40)
        for _ in range(100):
            (await limiter.acquire()).success(0.1)
        assert limiter.limit == 20  # one at a time uses nothing of it
        (await limiter.acquire()).drop()
        assert limiter.limit == (20 if name == "fixed" else limiter.limit)
        assert (limiter.limit < 20) is (name != "fixed")

    run(test)


@pytest.mark.parametrize("terms", [{"limit": "other"}, {"initial": 0}, {"waiting_max": -1}])
def test_terms_that_make_no_sense_are_refused(terms: Any) -> None:
    with pytest.raises(ValueError, match=r"it is one of|it takes|it has to be"):
        AdaptiveConcurrencyLimiter(**terms)


def test_what_counts_as_a_drop() -> None:
    assert is_drop(TimeoutError())
    assert is_drop(Overloaded("full"))
    assert is_drop(Busy(529))
    assert not is_drop(Busy(404))
    assert not is_drop(ConnectionResetError())


def test_permits_of_every_kind_are_the_same_kind() -> None:
    async def test() -> None:
        limiter = AdaptiveConcurrencyLimiter()
        assert isinstance(await limiter.acquire(), Permit)
        assert isinstance(limiter.try_acquire(), Permit)

    run(test)
