"""An embedder that fails in any way it can costs a miss: nobody waits, nothing is left."""

import asyncio
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.support.adapter import CHAT, settings_for, soon

from headrace import Adapter
from headrace.sim.thread import ThreadedSim

DIMENSIONS = 4
STORED = "How do I sort a list in Java?"
ALIKE = "In Java, how do I sort a list?"
CALLERS = 20

Texts = list[str]


def fine(texts: Texts) -> Any:
    return np.ones((len(texts), DIMENSIONS), dtype=np.float32)


async def hangs(_: Texts) -> Any:
    await asyncio.Event().wait()


def raises(_: Texts) -> Any:
    raise ValueError("a bug of the user's")


async def cancels_itself(_: Texts) -> Any:
    raise asyncio.CancelledError


def rows(*values: Any) -> Callable[[Texts], Any]:
    return lambda texts: [list(values)] * len(texts)


WAYS: dict[str, Callable[[Texts], Any]] = {
    "hangs": hangs,
    "raises": raises,
    "cancels itself": cancels_itself,
    "not a number": rows(math.nan, 1, 1, 1),
    "infinite": rows(math.inf, 1, 1, 1),
    "too large for a float": rows(1e39, 1, 1, 1),
    "too large for any float": rows(10**400, 1, 1, 1),
    "zeros": rows(0, 0, 0, 0),
    "as good as zeros": rows(1e-40, 0, 0, 0),
    "too short": rows(1, 1, 1),
    "too few": lambda texts: fine(texts)[1:],
    "too many": lambda texts: fine([*texts, "one more"]),
    "too deep": lambda texts: fine(texts)[:, :, np.newaxis],
    "words": rows("a", "b", "c", "d"),
    "none": lambda _: None,
    "no list": lambda _: object(),
}


class Embedder:
    """Makes vectors in the way it is told to."""

    def __init__(self) -> None:
        self.way: Callable[[Texts], Any] = fine

    def __call__(self, texts: Texts) -> Any:
        return self.way(texts)


def settings(sim: ThreadedSim) -> dict[str, Any]:
    semantic = {"enabled": True, "dimensions": DIMENSIONS, "embed_timeout_ms": 1000}
    return {**settings_for(sim.url), "cache": {"semantic": semantic}}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_fail_is_a_miss(sim: ThreadedSim, way: str):
    embedder = Embedder()

    async def run() -> None:
        async with Adapter(settings(sim), embed=embedder) as adapter:
            engine = adapter._running()
            stored = await adapter.generate(STORED, model=CHAT)
            await soon(lambda: engine.desk.told()["semantic"]["entries"] == 1)
            await soon(lambda: engine.tasks == 0)
            embedder.way = WAYS[way]
            questions = [f"What is {number % 5} {way}?" for number in range(CALLERS)]
            found = await asyncio.gather(*(adapter.generate(q, model=CHAT) for q in questions))
            right = await asyncio.gather(
                *(adapter.generate(q, model=CHAT, use_cache=False) for q in questions)
            )
            assert [each.text for each in found] == [each.text for each in right]
            assert "semantic" not in {each.cache for each in found}
            told = engine.desk.told()["semantic"]
            assert told["embedder_fault"]
            assert told["counts"]["embedding_faults"] > 0
            await soon(lambda: engine.tasks == 0)
            embedder.way = fine
            answer = await adapter.generate(ALIKE, model=CHAT)
            while answer.cache != "semantic":  # it may be left alone for a while yet
                await asyncio.sleep(0.05)
                await adapter.purge("all")
                await adapter.generate(STORED, model=CHAT)
                answer = await adapter.generate(ALIKE, model=CHAT)
            assert answer.text == stored.text

    async def in_time() -> None:
        async with asyncio.timeout(60):
            await run()

    asyncio.run(in_time())


def test_who_leaves_while_it_is_asked_leaves_nothing_behind(sim: ThreadedSim):
    is_asked = asyncio.Event()
    embedder = Embedder()

    async def hangs_and_says_so(texts: Texts) -> Any:
        is_asked.set()
        return await hangs(texts)

    async def run() -> None:
        async with Adapter(settings(sim), embed=embedder) as adapter:
            engine = adapter._running()
            await adapter.generate(STORED, model=CHAT)
            await soon(lambda: engine.desk.told()["semantic"]["entries"] == 1)
            embedder.way = hangs_and_says_so
            calls = sum(sum(m.values()) for m in sim.stats().requests.values())
            leaving = [
                asyncio.create_task(adapter.generate(f"Who is {n}?", model=CHAT)) for n in range(5)
            ]
            await is_asked.wait()
            for task in leaving:
                task.cancel()
            await asyncio.gather(*leaving, return_exceptions=True)
            await soon(lambda: engine.tasks == 0)
            assert adapter.metrics()["inflight"] == 0
            # The provider was not asked for them any more.
            assert sum(sum(m.values()) for m in sim.stats().requests.values()) == calls

    asyncio.run(run())
