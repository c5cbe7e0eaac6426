"""Batches of prompts for a model, with a cache before them."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from inspect import isawaitable
from typing import Any, Protocol, TypeVar

import msgspec

from headrace.clock import Clock
from headrace.flow.batch.queue import Priority
from headrace.toolkit.batch_function import Function
from headrace.toolkit.batch_stats import BatchStats
from headrace.toolkit.batching import BatchProcessor
from headrace.toolkit.containment import Containment

Prompt = TypeVar("Prompt")
Reply = TypeVar("Reply")


class ReplyCache(Protocol):
    """Where replies are kept: a `Cache`, a `SimpleCache`, or anything alike, awaited or not."""

    def get(self, key: Any, /) -> Any:
        """What is kept, or `None`."""
        ...

    def set(self, key: Any, value: Any, /) -> Any:
        """Keep it."""
        ...


class LLMBatchProcessor(BatchProcessor[Prompt, Reply]):
    """Puts prompts of many callers into batches for one call of a model.

    Args:
        llm_callable: called with a list of prompts, and gives a reply, or an `Exception`, for
            each in their order; a coroutine or not.
        batch_size: most prompts of a batch.
        max_wait_ms: how long a prompt waits for others while a batch is on its way.
        cache: holds replies by `key`. What it raises is counted, and the model is asked.
        latency_ms: see `BatchProcessor`; so are the others.

    Raises:
        TypeError: an argument is of another type.
        ValueError: a bound or a time makes no sense.
    """

    def __init__(
        self,
        llm_callable: Function[Prompt, Reply],
        batch_size: int = 5,
        max_wait_ms: float = 50.0,
        *,
        cache: ReplyCache | None = None,
        latency_ms: float | None = None,
        max_running: int = 4,
        max_waiting: int = 10_000,
        timeout_s: float | None = 60.0,
        key: Callable[[Prompt], Hashable] | None = None,
        dedup: bool = True,
        bisect: bool | Callable[[Exception], bool] = True,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(
            llm_callable,
            max_size=batch_size,
            latency_ms=latency_ms,
            max_wait_ms=max_wait_ms,
            max_running=max_running,
            max_waiting=max_waiting,
            timeout_s=timeout_s,
            key=key,
            dedup=dedup,
            bisect=bisect,
            clock=clock,
        )
        self._cache = cache
        self._cache_trouble = Containment()
        self._cache_hits = 0
        self._keeping: set[asyncio.Task[None]] = set()

    async def add(
        self, item: Prompt, *, priority: Priority = "normal", use_cache: bool = True
    ) -> Reply:
        """The reply to a prompt, from the cache where it is there; else as `BatchProcessor.add`.

        Args:
            item: the prompt.
            priority: `high`, `normal`, `low` or `batch`.
            use_cache: whether a reply that is kept will do; a new one is kept either way.
        """
        if self._cache is not None and use_cache:
            self._check_loop()
            reply = await self._kept_for(item, self._cache)
            if reply is not None:
                self._added += 1
                self._cache_hits += 1
                return reply
        return await super().add(item, priority=priority)

    async def close(self, timeout_s: float | None = None) -> None:
        await super().close(timeout_s)
        if self._keeping:
            await asyncio.wait(self._keeping, timeout=timeout_s)

    def stats(self) -> BatchStats:
        trouble = self._cache_trouble
        return msgspec.structs.replace(
            super().stats(),
            cache_hits=self._cache_hits,
            cache_errors=trouble.errors,
            last_error=trouble.last or self._last_error,
        )

    async def _kept_for(self, prompt: Prompt, cache: ReplyCache) -> Reply | None:
        reply = None
        with self._cache_trouble:
            reply = cache.get(self._key_of(prompt))
            if isawaitable(reply):
                reply = await reply
        return reply

    def _kept(self, item: Prompt, result: Reply) -> None:
        if self._cache is None:
            return
        with self._cache_trouble:
            keeping = self._cache.set(self._key_of(item), result)
            if isawaitable(keeping):
                task = self._tasks.spawn(self._keep(keeping))
                self._keeping.add(task)
                task.add_done_callback(self._keeping.discard)

    async def _keep(self, keeping: Awaitable[object]) -> None:
        with self._cache_trouble:
            await keeping
