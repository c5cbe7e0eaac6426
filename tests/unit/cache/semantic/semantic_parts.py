"""Embedders, tasks and caches for the tests of this folder."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any

import numpy as np

from headrace.cache.semantic.config import Mode, SemanticConfig
from headrace.cache.semantic.embedder import Embedder, Rows
from headrace.cache.semantic.embedding import Embeddings
from headrace.cache.semantic.engine import SemanticCache
from headrace.cache.semantic.verifier import Comparison, Verifier
from headrace.clock import ManualClock

DIMENSIONS = 4


class Crew:
    """Starts tasks and keeps the errors that end them."""

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[None]] = set()
        self.bugs: list[BaseException] = []

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.bugs.append(error)


class Angles:
    """Embeds texts as directions in a plane, at cosines that a test chooses.

    Args:
        cosines: of each text to the direction of every text that is not listed.
    """

    id = "angles"
    dimensions = DIMENSIONS

    def __init__(self, cosines: Mapping[str, float] | None = None) -> None:
        self._cosines = cosines or {}
        self.batches: list[list[str]] = []

    async def embed(self, texts: Sequence[str]) -> Rows:
        self.batches.append(list(texts))
        cosines = [self._cosines.get(text, 1.0) for text in texts]
        rows = [[cosine, (1 - cosine * cosine) ** 0.5, 0.0, 0.0] for cosine in cosines]
        return np.array(rows, dtype=np.float32)


def embeddings(embedder: Embedder, crew: Crew, **bounds: Any) -> Embeddings:
    """Embeddings on a clock that stands still."""
    return Embeddings(
        embedder, clock=ManualClock(), spawn=crew.spawn, **{"window_s": 0.0, **bounds}
    )


def semantic_cache(
    embedder: Embedder,
    crew: Crew,
    *,
    dice: Callable[[], float] = lambda: 1.0,
    verifier: Verifier | None = None,
    comparison: Comparison | None = None,
    **settings: Any,
) -> SemanticCache:
    """A cache that answers, with settings of a test's own."""
    return SemanticCache(
        SemanticConfig(**{"mode": Mode.ON, **settings}),
        embeddings=embeddings(embedder, crew),
        spawn=crew.spawn,
        dice=dice,
        verifier=verifier,
        comparison=comparison,
    )


def says(verdict: bool) -> Callable[[str, str], Awaitable[bool]]:
    """A verifier or comparison that always says the same."""

    async def say(_one: str, _other: str) -> bool:
        return verdict

    return say
