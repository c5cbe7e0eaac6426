"""Batches for a function of the caller's: who goes together, and who hears what of failures."""

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from typing import Any

import pytest

from headrace import BatchProcessor, NotRunning, Overloaded
from headrace.clock import ManualClock

LONG_MS = 60_000.0


class Model:
    """A batch function whose calls end when the test says so, and are kept.

    Args:
        is_open: whether calls end at once.
    """

    def __init__(self, *, is_open: bool = True) -> None:
        self.calls: list[list[str]] = []
        self.cancelled = 0
        self.gate = asyncio.Event()
        self.began = asyncio.Event()
        if is_open:
            self.gate.set()

    async def __call__(self, items: list[str]) -> Sequence[str | Exception]:
        self.calls.append(items)
        self.began.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if "poison" in items:
            raise ValueError("poison")
        return [KeyError(item) if item == "bad" else item.upper() for item in items]


def run(test: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await test

    asyncio.run(bounded())


async def turns(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_what_comes_in_one_turn_goes_together() -> None:
    async def test() -> None:
        model = Model()
        async with BatchProcessor(model, max_size=3, max_wait_ms=LONG_MS) as batches:
            replies = await asyncio.gather(*(batches.add(item) for item in "abcde"))
        assert replies == list("ABCDE")
        assert model.calls == [["a", "b", "c"], ["d", "e"]]

    run(test())


def test_one_alone_waits_for_nobody() -> None:
    async def test() -> None:
        batches = BatchProcessor(Model(), max_wait_ms=LONG_MS)
        assert await batches.add("a") == "A"
        assert await batches.add("b") == "B"

    run(test())


def test_company_is_awaited_while_a_batch_is_on_its_way() -> None:
    async def test() -> None:
        model = Model(is_open=False)
        batches = BatchProcessor(model, max_wait_ms=LONG_MS)
        first = asyncio.create_task(batches.add("a"))
        await model.began.wait()
        others = [asyncio.create_task(batches.add(item)) for item in "bc"]
        await turns()
        assert model.calls == [["a"]]
        model.gate.set()
        await asyncio.gather(first, *others)
        assert model.calls == [["a"], ["b", "c"]]

    run(test())


def test_waiting_ends_in_time() -> None:
    async def test() -> None:
        model = Model(is_open=False)
        batches = BatchProcessor(model, max_wait_ms=1)
        first = asyncio.create_task(batches.add("a"))
        await model.began.wait()
        model.began.clear()
        second = asyncio.create_task(batches.add("b"))
        await model.began.wait()  # while the first is still on its way
        model.gate.set()
        assert await asyncio.gather(first, second) == ["A", "B"]
        assert model.calls == [["a"], ["b"]]

    run(test())


def test_priorities_go_first() -> None:
    async def test() -> None:
        model = Model(is_open=False)
        batches = BatchProcessor(model, max_size=2, max_running=1, max_wait_ms=LONG_MS)
        tasks = [asyncio.create_task(batches.add("first"))]
        await model.began.wait()
        for item, priority in (("l", "low"), ("b", "batch"), ("n", "normal"), ("h", "high")):
            tasks.append(asyncio.create_task(batches.add(item, priority=priority)))  # type: ignore[arg-type]
        await turns()
        model.gate.set()
        await asyncio.gather(*tasks)
        assert model.calls == [["first"], ["h", "n"], ["l", "b"]]

    run(test())


def test_equal_items_are_asked_once_also_on_their_way() -> None:
    async def test() -> None:
        model = Model(is_open=False)
        batches = BatchProcessor(model, max_wait_ms=LONG_MS)
        tasks = [asyncio.create_task(batches.add("a")) for _ in range(3)]
        await model.began.wait()
        tasks.append(asyncio.create_task(batches.add("a")))
        await turns()
        model.gate.set()
        assert await asyncio.gather(*tasks) == ["A"] * 4
        assert model.calls == [["a"]]
        assert (batches.stats().added, batches.stats().joined) == (4, 3)
        assert await batches.add("a") == "A"
        assert len(model.calls) == 2

    run(test())


@pytest.mark.parametrize(
    ("settings", "calls"),
    [
        ({}, [[1, 1.0, True]]),
        ({"dedup": False}, [[1, 1.0, True, 1]]),
        ({"key": lambda item: "same"}, [[1]]),
    ],
)
def test_what_is_equal(settings: dict[str, Any], calls: list[list[Any]]) -> None:
    async def test() -> None:
        seen = []

        async def function(items: list[Any]) -> list[Any]:
            seen.append(items)
            return items

        batches = BatchProcessor(function, **settings)
        await asyncio.gather(*(batches.add(item) for item in (1, 1.0, True, 1)))
        assert [list(map(repr, each)) for each in seen] == [list(map(repr, c)) for c in calls]

    run(test())


def test_items_that_cannot_be_compared_are_each_their_own() -> None:
    class Odd:
        __hash__ = None  # type: ignore[assignment]

    async def test() -> None:
        batches: BatchProcessor[Odd, int] = BatchProcessor(_count_block)
        odd = Odd()
        assert await asyncio.gather(batches.add(odd), batches.add(odd)) == [0, 1]

    run(test())


def _count_block(items: list[Any]) -> list[int]:
    return list(range(len(items)))


def test_too_many_are_refused_at_once() -> None:
    async def test() -> None:
        model = Model(is_open=False)
        batches = BatchProcessor(model, max_running=1, max_waiting=2, max_wait_ms=LONG_MS)
        tasks = [asyncio.create_task(batches.add("a"))]
        await model.began.wait()
        tasks += [asyncio.create_task(batches.add(item)) for item in "bc"]
        await turns()
        with pytest.raises(Overloaded):
            await batches.add("d")
        tasks.append(asyncio.create_task(batches.add("c")))  # joins
        await turns()
        model.gate.set()
        await asyncio.gather(*tasks)
        assert batches.stats().refused == 1

    run(test())


def test_flush_sends_what_waits_and_waits_for_it() -> None:
    async def test() -> None:
        model = Model(is_open=False)
        batches = BatchProcessor(model, max_wait_ms=LONG_MS)
        tasks = [asyncio.create_task(batches.add("a"))]
        await model.began.wait()
        tasks += [asyncio.create_task(batches.add(item)) for item in "bc"]
        await turns()
        flushing = asyncio.create_task(batches.flush())
        await turns()
        assert model.calls == [["a"], ["b", "c"]]
        assert not flushing.done()
        model.gate.set()
        await flushing
        await turns()
        assert all(task.done() for task in tasks)
        await batches.flush()

    run(test())


def test_close_answers_everybody_and_takes_nothing_more() -> None:
    async def test() -> None:
        model = Model(is_open=False)
        batches = BatchProcessor(model, max_wait_ms=LONG_MS, max_running=1, max_size=1)
        tasks = [asyncio.create_task(batches.add(item)) for item in "abc"]
        await model.began.wait()
        closing = asyncio.create_task(batches.close())
        await turns()
        with pytest.raises(NotRunning):
            await batches.add("d")
        model.gate.set()
        await closing
        assert await asyncio.gather(*tasks) == ["A", "B", "C"]
        await batches.close()

    run(test())


def test_close_gives_up_in_time() -> None:
    async def test() -> None:
        model = Model(is_open=False)
        batches = BatchProcessor(model, max_running=1, max_wait_ms=LONG_MS)
        tasks = [asyncio.create_task(batches.add("a"))]
        await model.began.wait()
        tasks.append(asyncio.create_task(batches.add("b")))
        await turns()
        await batches.close(timeout_s=0.01)
        told = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(each) for each in told] == [NotRunning, NotRunning]
        await turns()
        assert (model.cancelled, batches.stats().running) == (1, 0)

    run(test())


def test_it_lives_on_one_loop() -> None:
    batches = BatchProcessor(_count_block)
    asyncio.run(batches.add("a"))
    with pytest.raises(NotRunning):
        asyncio.run(batches.add("a"))


def test_a_function_that_blocks_runs_on_a_thread() -> None:
    async def test() -> None:
        async def wait(items: list[int]) -> list[int]:
            return [item + 1 for item in items]

        seen = []

        def blocking(items: list[int]) -> list[int]:
            seen.append(threading.current_thread() is threading.main_thread())
            return [item + 1 for item in items]

        def plain(items: list[int]) -> Coroutine[Any, Any, list[int]]:
            return wait(items)

        for function in (blocking, plain, wait):
            assert await BatchProcessor[int, int](function).add(1) == 2  # type: ignore[arg-type]
        assert seen == [False]

    run(test())


def test_sizes_follow_the_goal() -> None:
    async def test() -> None:
        clock, sizes = ManualClock(), []

        async def function(items: list[int]) -> list[int]:
            sizes.append(len(items))
            clock.advance(0.1 + 0.1 * len(items))
            return items

        batches = BatchProcessor(
            function, latency_ms=1000, max_size=100, max_running=1, timeout_s=None, clock=clock
        )
        for count in range(1, 9):
            await asyncio.gather(*(batches.add(1000 * count + at) for at in range(count)))
        sizes.clear()
        await asyncio.gather(*(batches.add(-at) for at in range(1, 30)))
        assert sizes[0] == 9  # 0.1 * 9 + 0.1 <= 1

    run(test())


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_size": 0},
        {"max_running": 0},
        {"max_waiting": 0},
        {"max_wait_ms": -1},
        {"latency_ms": 0},
        {"timeout_s": -1},
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="has to be"):
        BatchProcessor(_count_block, **wrong)


def test_unknown_priority_is_told() -> None:
    async def test() -> None:
        with pytest.raises(ValueError, match="high, normal"):
            await BatchProcessor(_count_block).add("a", priority="urgent")  # type: ignore[arg-type]

    run(test())
