"""Batches that fail, in whole or in part, hang, or are given up: who hears what."""

import asyncio
import threading
from typing import Any

import pytest
from tests.unit.toolkit.test_batching import LONG_MS, Model, run, turns

from headrace import BatchFailed, BatchProcessor, DeadlineExceeded, Overloaded


def test_error_of_an_item_is_its_own() -> None:
    async def test() -> None:
        model = Model()
        batches = BatchProcessor(model)
        told = await asyncio.gather(
            *(batches.add(item) for item in ("a", "bad", "c")), return_exceptions=True
        )
        assert [str(each) for each in told] == ["A", "'bad'", "C"]
        assert len(model.calls) == 1
        assert batches.stats().failed == 1

    run(test())


def test_poison_is_found_and_fails_alone() -> None:
    async def test() -> None:
        model = Model()
        batches = BatchProcessor(model, max_size=8)
        items = [*"abcde", "poison", *"fg"]
        told = await asyncio.gather(*(batches.add(item) for item in items), return_exceptions=True)
        assert [each for each in told if isinstance(each, str)] == list("ABCDEFG")
        assert isinstance(told[5], ValueError)
        assert model.calls == [
            items,
            ["a", "b", "c", "d"],
            ["e", "poison", "f", "g"],
            ["e", "poison"],
            ["e"],
            ["poison"],
            ["f", "g"],
        ]
        stats = batches.stats()
        assert (stats.batches, stats.calls, stats.failed_calls) == (1, 7, 4)
        assert (stats.failed, stats.last_error, stats.running) == (1, "ValueError", 0)

    run(test())


@pytest.mark.parametrize(
    ("bisect", "calls"),
    [(False, 1), (lambda error: isinstance(error, KeyError), 1), (lambda error: True, 5)],
)
def test_bisecting_is_the_callers_choice(bisect: Any, calls: int) -> None:
    async def test() -> None:
        model = Model()
        batches = BatchProcessor(model, bisect=bisect)
        told = await asyncio.gather(
            *(batches.add(item) for item in ("a", "poison", "b")), return_exceptions=True
        )
        assert sum(isinstance(each, ValueError) for each in told) == (3 if calls == 1 else 1)
        assert len(model.calls) == calls

    run(test())


@pytest.mark.parametrize("error", [ConnectionResetError(), TimeoutError(), Overloaded("full")])
def test_what_is_no_items_fault_is_not_asked_again(error: Exception) -> None:
    async def test() -> None:
        calls = 0

        def function(items: list[str]) -> list[str]:
            nonlocal calls
            calls += 1
            raise error

        batches = BatchProcessor(function)
        told = await asyncio.gather(*(batches.add(item) for item in "abc"), return_exceptions=True)
        assert told == [error] * 3
        assert calls == 1

    run(test())


@pytest.mark.parametrize("results", [[], ["a"], ["a", "b", "c"], None, "ab", 7])
def test_wrong_results_are_told(results: Any) -> None:
    async def test() -> None:
        batches: BatchProcessor[str, str] = BatchProcessor(lambda items: results, bisect=False)
        told = await asyncio.gather(batches.add("a"), batches.add("b"), return_exceptions=True)
        assert [type(each) for each in told] == [BatchFailed, BatchFailed]

    run(test())


def test_too_few_results_are_looked_into() -> None:
    async def test() -> None:
        def function(items: list[str]) -> list[str]:
            return [item for item in items if item != "lost"]

        batches = BatchProcessor(function)
        told = await asyncio.gather(
            *(batches.add(item) for item in ("a", "lost", "b")), return_exceptions=True
        )
        assert (told[0], told[2]) == ("a", "b")
        assert isinstance(told[1], BatchFailed)
        assert "0 results for 1 items" in str(told[1])

    run(test())


@pytest.mark.parametrize("is_coroutine", [True, False])
def test_a_hung_call_is_told_and_keeps_its_place_until_it_ends(is_coroutine: bool) -> None:
    async def test() -> None:
        freed, ended = threading.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        async def stubborn(items: list[str]) -> list[str]:
            while not ended.is_set():
                try:
                    await ended.wait()
                except asyncio.CancelledError:
                    continue
            return items

        def blocking(items: list[str]) -> list[str]:
            freed.wait(60)
            loop.call_soon_threadsafe(ended.set)
            return items

        function: Any = stubborn if is_coroutine else blocking
        batches = BatchProcessor(function, max_running=1, timeout_s=0.2)
        with pytest.raises(DeadlineExceeded) as caught:
            await batches.add("a")
        assert "longer" in str(caught.value)
        with pytest.raises(DeadlineExceeded) as caught:
            await batches.add("b")
        assert "No batch" in str(caught.value)
        stats = batches.stats()
        assert (stats.timeouts, stats.running, stats.waiting) == (1, 1, 0)
        freed.set()
        if is_coroutine:
            ended.set()
        await ended.wait()
        while batches.stats().running:
            await turns(1)
        assert await batches.add("c") == "c"

    run(test())


def test_a_coroutine_that_hangs_is_cancelled() -> None:
    async def test() -> None:
        model = Model(is_open=False)
        batches = BatchProcessor(model, timeout_s=0.2, max_running=1)
        with pytest.raises(DeadlineExceeded):
            await batches.add("a")
        model.gate.set()
        assert await batches.add("b") == "B"
        assert model.cancelled == 1

    run(test())


def test_who_is_cancelled_harms_nobody_else() -> None:
    async def test() -> None:
        model = Model(is_open=False)
        batches = BatchProcessor(model, max_running=1, max_wait_ms=LONG_MS)
        first = [asyncio.create_task(batches.add(item)) for item in ("a", "a", "b")]
        await model.began.wait()
        later = [asyncio.create_task(batches.add(item)) for item in ("c", "d", "d")]
        await turns()
        for task in (first[0], first[2], later[0], later[1]):
            task.cancel()
        await turns()
        assert batches.stats().waiting == 1
        model.gate.set()
        assert await asyncio.gather(first[1], later[2]) == ["A", "D"]
        assert model.calls == [["a", "b"], ["d"]]
        assert model.cancelled == 0

    run(test())


def test_the_call_ends_with_the_last_who_waits_for_it() -> None:
    async def test() -> None:
        model = Model(is_open=False)
        batches = BatchProcessor(model, max_running=1)
        tasks = [asyncio.create_task(batches.add(item)) for item in "ab"]
        await model.began.wait()
        tasks[0].cancel()
        await turns()
        assert model.cancelled == 0
        tasks[1].cancel()
        await turns()
        assert (model.cancelled, batches.stats().running) == (1, 0)
        model.gate.set()
        assert await batches.add("a") == "A"  # not joined to what was given up

    run(test())


def test_cancelled_before_it_was_sent_is_never_sent() -> None:
    async def test() -> None:
        model = Model()
        batches = BatchProcessor(model)
        task = asyncio.create_task(batches.add("a"))
        await asyncio.sleep(0)
        task.cancel()
        await turns()
        assert (model.calls, batches.stats().waiting) == ([], 0)

    run(test())


def test_who_left_is_not_asked_for_again_in_halves() -> None:
    async def test() -> None:
        model = Model(is_open=False)
        batches = BatchProcessor(model)
        tasks = [asyncio.create_task(batches.add(item)) for item in ("a", "poison", "b", "c")]
        await model.began.wait()
        tasks[1].cancel()
        await turns()
        model.gate.set()
        await asyncio.gather(tasks[0], tasks[2], tasks[3])
        assert model.calls[1:] == [["a", "b"], ["c"]]

    run(test())
