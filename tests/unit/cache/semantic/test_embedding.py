"""Vectors are remembered, asked for in batches, and never waited for long."""

import asyncio
import contextlib
from collections.abc import Sequence

import numpy as np
import pytest
from tests.unit.cache.semantic.semantic_parts import DIMENSIONS, Angles, Crew, embeddings

from headrace.cache.breaker import FAILURES_MAX
from headrace.cache.semantic.embedder import EmbeddingFault, Rows
from headrace.cache.semantic.embedding import Embeddings
from headrace.clock import ManualClock


class Failing(Angles):
    """Fails as it is told, and hangs where it is told nothing."""

    def __init__(self, error: Exception | None) -> None:
        super().__init__()
        self.error = error

    async def embed(self, texts: Sequence[str]) -> Rows:
        self.batches.append(list(texts))
        if self.error is None:
            await asyncio.Event().wait()
        else:
            raise self.error
        return np.empty((0, 0), dtype=np.float32)


def test_who_asks_at_the_same_time_goes_along_in_one_call() -> None:
    async def run() -> None:
        embedder = Angles()
        found = embeddings(embedder, Crew())
        await asyncio.gather(*(found.vector(text) for text in ("a", "b", "a", "c")))
        assert embedder.batches == [["a", "b", "c"]]
        assert (found.calls, found.texts, found.faults) == (1, 3, 0)

    asyncio.run(run())


def test_a_full_batch_leaves_at_once() -> None:
    async def run() -> None:
        embedder = Angles()
        found = embeddings(embedder, Crew(), batch_max=2, window_s=3600.0)
        waiting = [asyncio.ensure_future(found.vector(text)) for text in "abc"]
        await asyncio.gather(*waiting[:2])
        assert embedder.batches == [["a", "b"]]
        found.close()
        with pytest.raises(EmbeddingFault, match="closed"):
            await waiting[2]

    asyncio.run(run())


def test_what_came_is_remembered_up_to_a_bound() -> None:
    async def run() -> None:
        embedder = Angles()
        found = embeddings(embedder, Crew(), remembered_max=2)
        for text in ("a", "b", "a", "c", "a", "b"):
            vector = await found.vector(text)
            assert vector.shape == (DIMENSIONS,)
        assert embedder.batches == [["a"], ["b"], ["c"], ["b"]]

    asyncio.run(run())


def test_a_vector_does_not_keep_its_whole_batch_in_memory() -> None:
    async def run() -> None:
        found = embeddings(Angles(), Crew())
        vector, _ = await asyncio.gather(found.vector("a"), found.vector("b"))
        assert vector.base is None

    asyncio.run(run())


@pytest.mark.parametrize("error", [EmbeddingFault("no"), ValueError("a bug"), None], ids=repr)
def test_a_fault_a_bug_and_silence_are_told_to_all_who_wait(error: Exception | None) -> None:
    async def run() -> None:
        crew = Crew()
        found = embeddings(Failing(error), crew, timeout_s=0.2)
        said = await asyncio.gather(found.vector("a"), found.vector("b"), return_exceptions=True)
        assert [type(each) for each in said] == [EmbeddingFault] * 2
        assert found.faults == 1
        assert crew.bugs == ([error] if isinstance(error, ValueError) else [])

    asyncio.run(run())


class Deaf(Angles):
    """Goes on when it is told to end, until a test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.may_end = asyncio.Event()

    async def embed(self, texts: Sequence[str]) -> Rows:
        while not self.may_end.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await self.may_end.wait()
        return await super().embed(texts)


def test_one_that_does_not_end_when_it_is_told_to_is_waited_for_no_more() -> None:
    async def run() -> None:
        crew, deaf = Crew(), Deaf()
        found = embeddings(deaf, crew, timeout_s=0.3)
        with pytest.raises(EmbeddingFault, match="it broke"):
            await found.vector("a")
        assert found.faults == 1
        again = asyncio.ensure_future(found.vector("a"))  # the same, while the first goes on
        await asyncio.sleep(0)
        deaf.may_end.set()
        assert (await again).shape == (DIMENSIONS,)
        await asyncio.gather(*crew.tasks)
        assert (crew.bugs, found.faults) == ([], 1)

    asyncio.run(run())


def test_after_failures_in_a_row_it_is_left_alone_and_tried_again_later() -> None:
    async def run() -> None:
        clock, crew, embedder = ManualClock(), Crew(), Failing(EmbeddingFault("no"))
        found = Embeddings(embedder, clock=clock, spawn=crew.spawn, window_s=0.0)
        for _ in range(FAILURES_MAX + 5):
            with pytest.raises(EmbeddingFault):
                await found.vector("a")
        assert len(embedder.batches) == FAILURES_MAX
        assert not found.is_up
        clock.advance(60.0)
        with pytest.raises(EmbeddingFault):
            await found.vector("a")
        assert len(embedder.batches) == FAILURES_MAX + 1

    asyncio.run(run())


def test_no_more_may_wait_than_the_bound() -> None:
    async def run() -> None:
        found = embeddings(Failing(None), Crew(), waiting_max=2, timeout_s=0.01)
        first = [asyncio.ensure_future(found.vector(text)) for text in "ab"]
        await asyncio.sleep(0)
        with pytest.raises(EmbeddingFault, match="too many"):
            await found.vector("c")
        await asyncio.gather(*first, return_exceptions=True)

    asyncio.run(run())


def test_who_goes_away_does_not_take_it_from_the_others() -> None:
    async def run() -> None:
        embedder = Angles()
        found = embeddings(embedder, Crew())
        leaving = asyncio.ensure_future(found.vector("a"))
        staying = asyncio.ensure_future(found.vector("a"))
        await asyncio.sleep(0)
        leaving.cancel()
        assert (await staying).shape == (DIMENSIONS,)

    asyncio.run(run())


class Wrong(Angles):
    """Sends one row, however many were asked for."""

    async def embed(self, texts: Sequence[str]) -> Rows:
        return (await super().embed(texts))[:1]


def test_rows_that_are_missing_are_a_fault() -> None:
    async def run() -> None:
        found = embeddings(Wrong(), Crew())
        said = await asyncio.gather(found.vector("a"), found.vector("b"), return_exceptions=True)
        assert [type(each) for each in said] == [EmbeddingFault] * 2

    asyncio.run(run())


def test_texts_that_no_encoding_takes_are_texts_like_others() -> None:
    async def run() -> None:
        assert (await embeddings(Angles(), Crew()).vector("\ud800")).shape == (DIMENSIONS,)

    asyncio.run(run())


class Moody(Angles):
    """Fails as long as it is ill."""

    is_ill = True

    async def embed(self, texts: Sequence[str]) -> Rows:
        if self.is_ill:
            raise EmbeddingFault("it is ill")
        return await super().embed(texts)


def test_an_embedder_that_is_left_alone_is_told_of_once_and_once_when_it_is_back() -> None:
    clock, told = ManualClock(), list[tuple[bool, str]]()
    moody = Moody()

    async def ask(found: Embeddings, text: str) -> None:
        with contextlib.suppress(EmbeddingFault):
            await found.vector(text)

    async def run() -> None:
        found = Embeddings(
            moody,
            clock=clock,
            spawn=Crew().spawn,
            window_s=0.0,
            on_state=lambda is_up, why: told.append((is_up, why)),
        )
        for number in range(20):
            await ask(found, f"text {number}")
        assert told == [(False, "it is ill")]
        assert found.last_fault == "it is ill"
        moody.is_ill = False
        clock.advance(600.0)
        await ask(found, "again")
        await ask(found, "and again")
        assert [is_up for is_up, _ in told] == [False, True]

    asyncio.run(run())
