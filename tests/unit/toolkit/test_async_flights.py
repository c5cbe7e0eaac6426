"""Single-flight between tasks, on one loop and on several."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

import pytest
from tests.support.waiting import eventually

from headrace import Cache, cached
from headrace.clock import ManualClock

LIMIT_S = 60


class Gate:
    """A coroutine function that ends when it is let, and counts how it ended."""

    def __init__(self, outcome: Callable[[int], Any] = lambda number: number) -> None:
        self.calls = 0
        self.cancelled = 0
        self.let = asyncio.Event()
        self._outcome = outcome

    async def __call__(self) -> Any:
        self.calls += 1
        number = self.calls
        try:
            await asyncio.wait_for(self.let.wait(), LIMIT_S)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return self._outcome(number)


async def until(predicate: Callable[[], bool]) -> None:
    for _ in range(10_000):
        if predicate():
            return
        await asyncio.sleep(0.0005)
    raise AssertionError("it did not come about")


def run(main: Callable[[], Awaitable[None]]) -> None:
    async def all_of_it() -> None:
        await asyncio.wait_for(main(), LIMIT_S)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert not others

    asyncio.run(all_of_it())


def test_tasks_that_want_the_same_share_one_computation() -> None:
    cache: Cache[str, int] = Cache()

    async def main() -> None:
        gate = Gate()
        asked = [asyncio.create_task(cache.get_or_compute_async("a", gate)) for _ in range(50)]
        await until(lambda: cache.stats().joined == 49)
        gate.let.set()
        assert await asyncio.gather(*asked) == [1] * 50
        assert (gate.calls, cache.get("a")) == (1, 1)
        assert await cache.get_or_compute_async("a", gate) == 1

    run(main)


def test_an_error_is_everybodys_and_is_not_kept() -> None:
    def fail(number: int) -> None:
        raise ValueError(number)

    cache: Cache[str, int] = Cache()

    async def main() -> None:
        gate = Gate(fail)
        gate.let.set()
        asked = [cache.get_or_compute_async("a", gate) for _ in range(5)]
        told = await asyncio.gather(*asked, return_exceptions=True)
        assert [str(each) for each in told] == ["1"] * 5
        with pytest.raises(ValueError, match="2"):
            await cache.get_or_compute_async("a", gate)

    run(main)


def test_cancelling_the_one_who_leads_harms_nobody_else() -> None:
    cache: Cache[str, int] = Cache()

    async def main() -> None:
        gate = Gate()
        leader = asyncio.create_task(cache.get_or_compute_async("a", gate))
        await until(lambda: gate.calls == 1)
        others = [asyncio.create_task(cache.get_or_compute_async("a", gate)) for _ in range(3)]
        await until(lambda: cache.stats().joined == 3)
        leader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leader
        gate.let.set()
        assert await asyncio.gather(*others) == [1, 1, 1]
        assert (gate.calls, gate.cancelled) == (1, 0)

    run(main)


def test_when_the_last_one_leaves_the_computation_is_cancelled() -> None:
    cache: Cache[str, int] = Cache()

    async def main() -> None:
        gate = Gate()
        asked = [asyncio.create_task(cache.get_or_compute_async("a", gate)) for _ in range(3)]
        await until(lambda: cache.stats().joined == 2)
        for each in asked:
            each.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        await until(lambda: gate.cancelled == 1)
        gate.let.set()
        assert await cache.get_or_compute_async("a", gate) == 2

    run(main)


def test_a_computation_that_cancels_itself_is_not_tried_for_ever() -> None:
    def outcome(number: int) -> int:
        raise asyncio.CancelledError

    cache: Cache[str, int] = Cache()

    async def main() -> None:
        gate = Gate(outcome)
        gate.let.set()
        asked = [cache.get_or_compute_async("a", gate) for _ in range(3)]
        told = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(each, asyncio.CancelledError) for each in told)
        assert gate.calls == 3

    run(main)


def test_loops_on_several_threads_share_one_computation() -> None:
    calls = []
    let = threading.Event()

    @cached
    async def answer(number: int) -> int:
        calls.append(number)
        await asyncio.to_thread(let.wait, LIMIT_S)
        return 2 * number

    flights = answer.cache_info  # the loops only share the function
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(asyncio.run, _ask(answer, 21)) for _ in range(4)]
        eventually(lambda: flights().misses == 4)
        let.set()
        assert [each.result(LIMIT_S) for each in asked] == [42] * 4
    assert calls == [21]


async def _ask(function: Callable[[int], Awaitable[int]], number: int) -> int:
    return await function(number)


def test_when_the_loop_that_leads_ends_another_takes_over() -> None:
    cache: Cache[str, str] = Cache()
    begun, joined = threading.Event(), threading.Event()

    async def stuck() -> str:
        begun.set()
        await asyncio.Event().wait()
        return "never"

    async def lead() -> None:
        task = asyncio.create_task(cache.get_or_compute_async("a", stuck))
        await asyncio.to_thread(joined.wait, LIMIT_S)
        assert not task.done()  # and now this loop ends, and cancels what runs on it

    async def follow() -> str:
        async def quick() -> str:
            return "taken over"

        return await cache.get_or_compute_async("a", quick)

    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(asyncio.run, lead())
        assert begun.wait(LIMIT_S)
        follower = pool.submit(asyncio.run, follow())
        eventually(lambda: cache.stats().joined == 1)
        joined.set()
        leader.result(LIMIT_S)
        assert follower.result(LIMIT_S) == "taken over"


def test_threads_and_tasks_share_one_computation() -> None:
    cache: Cache[str, int] = Cache()
    calls = []
    let = threading.Event()

    def compute() -> int:
        calls.append(1)
        assert let.wait(LIMIT_S)
        return 5

    async def compute_async() -> int:
        raise AssertionError("a thread is computing it")

    async def main() -> None:
        asked = asyncio.create_task(cache.get_or_compute_async("a", compute_async))
        await until(lambda: cache.stats().joined == 1)
        let.set()
        assert await asked == 5

    with ThreadPoolExecutor(1) as pool:
        thread = pool.submit(cache.get_or_compute, "a", compute)
        eventually(lambda: calls == [1])
        run(main)
        assert thread.result(LIMIT_S) == 5


def test_a_coroutine_that_asks_for_its_own_answer_does_not_wait_for_itself() -> None:
    depth = 0

    @cached
    async def again() -> int:
        nonlocal depth
        depth += 1
        return depth if depth == 3 else await again()

    async def main() -> None:
        assert (await again(), await again()) == (3, 3)

    run(main)


def test_a_plain_look_up_inside_of_a_coroutine_does_not_block_its_loop() -> None:
    cache: Cache[str, int] = Cache()

    async def outer() -> int:
        await asyncio.sleep(0)
        return cache.get_or_compute("a", lambda: 7)

    async def main() -> None:
        assert await cache.get_or_compute_async("a", outer) == 7

    run(main)


def test_the_computation_sees_the_context_of_its_caller() -> None:
    request: ContextVar[str] = ContextVar("request")

    @cached
    async def who() -> str:
        return request.get()

    async def main() -> None:
        request.set("first")
        assert await who() == "first"

    run(main)


def test_what_was_under_way_before_it_was_dropped_is_not_kept() -> None:
    gate = None

    @cached
    async def answer() -> int:
        assert gate is not None
        return await gate()

    async def main() -> None:
        nonlocal gate
        gate = Gate()
        asked = asyncio.create_task(answer())  # type: ignore[arg-type]
        await until(lambda: gate.calls == 1)
        assert not answer.invalidate()
        gate.let.set()
        assert await asked == 1
        assert await answer() == 2

    run(main)


def test_a_stale_answer_is_given_while_a_task_computes_the_new_one() -> None:
    clock = ManualClock()
    gate = None

    @cached(ttl=10, stale=5, backend=Cache(clock=clock))
    async def answer() -> int:
        assert gate is not None
        return await gate()

    async def main() -> None:
        nonlocal gate
        gate = Gate()
        gate.let.set()
        assert await answer() == 1
        clock.advance(12)
        gate.let.clear()
        assert [await answer(), await answer()] == [1, 1]
        await until(lambda: gate.calls == 2)
        gate.let.set()
        await until(lambda: len(asyncio.all_tasks()) == 2)  # this one, and who limits its time
        assert (await answer(), gate.calls) == (2, 2)

    run(main)


def test_a_refresh_that_fails_in_a_task_is_counted() -> None:
    clock = ManualClock()

    def outcome(number: int) -> int:
        if number > 1:
            raise ValueError("down")
        return number

    async def main() -> None:
        gate = Gate(outcome)
        gate.let.set()
        answer = cached(ttl=10, stale=5, backend=Cache(clock=clock))(gate)
        assert await answer() == 1
        clock.advance(12)
        assert await answer() == 1
        await until(lambda: answer.cache_errors().refresh_errors == 1)
        assert [await answer(), await answer()] == [1, 1]
        assert gate.calls == 2

    run(main)
