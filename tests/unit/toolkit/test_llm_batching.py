"""Prompts in batches, with a cache before them."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.unit.toolkit.test_batching import Model, run, turns

from headrace import Cache, LLMBatchProcessor, SimpleCache


class AwaitedCache:
    """A cache whose every answer is awaited."""

    def __init__(self) -> None:
        self.held: dict[Any, Any] = {}

    async def get(self, key: Any) -> Any:
        await asyncio.sleep(0)
        return self.held.get(key)

    async def set(self, key: Any, value: Any) -> None:
        await asyncio.sleep(0)
        self.held[key] = value


class BrokenCache:
    def get(self, key: Any) -> Any:
        raise ConnectionError("away")

    def set(self, key: Any, value: Any) -> None:
        raise ConnectionError("away")


def test_prompts_go_five_at_a_time() -> None:
    async def test() -> None:
        model = Model()
        async with LLMBatchProcessor(model) as batches:
            replies = await asyncio.gather(*(batches.add(f"p{at}") for at in range(12)))
        assert replies == [f"P{at}" for at in range(12)]
        assert [len(call) for call in model.calls] == [5, 5, 2]

    run(test())


def test_replies_are_kept_and_given_again(tmp_path: Path) -> None:
    async def test() -> None:
        on_disk = SimpleCache(path=tmp_path / "cache")
        for cache in (Cache[Any, Any](max_size=9), on_disk, AwaitedCache()):
            model = Model()
            batches = LLMBatchProcessor(model, 2, 1, cache=cache)
            assert await batches.add("a") == "A"
            await turns()
            assert await batches.add("a", priority="high") == "A"
            assert len(model.calls) == 1
            assert await batches.add("a", use_cache=False) == "A"
            assert len(model.calls) == 2
            stats = batches.stats()
            assert (stats.added, stats.cache_hits, stats.cache_errors) == (3, 1, 0)
            await batches.close()

    run(test())


def test_errors_are_not_kept() -> None:
    async def test() -> None:
        cache = AwaitedCache()
        batches = LLMBatchProcessor(Model(), cache=cache)
        told = await asyncio.gather(batches.add("bad"), batches.add("a"), return_exceptions=True)
        assert isinstance(told[0], KeyError)
        await batches.close()
        assert cache.held == {"a": "A"}

    run(test())


def test_a_broken_cache_costs_the_call_and_nothing_else() -> None:
    async def test() -> None:
        batches = LLMBatchProcessor(Model(), cache=BrokenCache())
        assert await batches.add("a") == "A"
        stats = batches.stats()
        assert (stats.cache_errors, stats.last_error) == (2, "ConnectionError in BrokenCache.set")

    run(test())


def test_the_key_is_the_callers_to_choose() -> None:
    async def test() -> None:
        cache = AwaitedCache()
        batches: LLMBatchProcessor[Any, Any] = LLMBatchProcessor(
            lambda prompts: [len(prompt["messages"]) for prompt in prompts],
            cache=cache,
            key=lambda prompt: prompt["id"],
        )
        assert await batches.add({"id": "x", "messages": [1, 2]}) == 2
        await batches.close()
        assert cache.held == {"x": 2}

    run(test())


def test_prompts_that_cannot_be_hashed_are_compared_by_what_they_say() -> None:
    async def test() -> None:
        seen = []

        def model(prompts: list[Any]) -> list[int]:
            seen.append(len(prompts))
            return [1] * len(prompts)

        batches: LLMBatchProcessor[Any, int] = LLMBatchProcessor(model, cache=Cache(max_size=9))
        messages = [{"role": "user", "content": "a"}]
        await asyncio.gather(batches.add(messages), batches.add([dict(messages[0])]))
        assert await batches.add([dict(messages[0])]) == 1
        assert seen == [1]

    run(test())


def test_closed_gives_nothing_from_the_cache_either() -> None:
    async def test() -> None:
        batches = LLMBatchProcessor(Model(), cache=Cache[Any, Any](max_size=9))
        await batches.add("a")
        await batches.close()
        with pytest.raises(Exception, match="closed"):
            await batches.add("a")

    run(test())
