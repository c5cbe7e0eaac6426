"""Answers by meaning in the library, with vectors from a function of the caller's."""

import asyncio
from collections.abc import Callable

import numpy as np
import pytest
from tests.support.adapter import CHAT, settings_for

from headrace import Adapter, SettingsInvalid
from headrace.sim.thread import ThreadedSim

STORED = "How do I sort a list in Java?"
SEMANTIC = {"enabled": True, "dimensions": 4}


def one_direction(texts: list[str]) -> np.ndarray:
    return np.ones((len(texts), 4))


async def one_direction_later(texts: list[str]) -> list[list[float]]:
    await asyncio.sleep(0)
    return [[1.0, 0.0, 0.0, 0.0] for _ in texts]


def garbage(texts: list[str]) -> str:
    return "no vectors"


async def asked_again(adapter: Adapter, times: int) -> str:
    """How the same in other words is answered; stored answers become known behind one's back."""
    await adapter.generate(STORED, model=CHAT)
    cache = ""
    for number in range(1, times + 1):
        cache = (await adapter.generate(STORED + "?" * number, model=CHAT)).cache
        if cache == "semantic":
            break
        await asyncio.sleep(0.005)
    return cache


@pytest.mark.parametrize("embed", [one_direction, one_direction_later], ids=["plain", "async"])
def test_a_function_makes_the_vectors(
    sim: ThreadedSim, embed: Callable[[list[str]], object]
) -> None:
    async def scenario() -> None:
        settings = {**settings_for(sim.url), "cache": {"semantic": SEMANTIC}}
        async with Adapter(settings, embed=embed) as adapter:
            assert await asked_again(adapter, 1000) == "semantic"

    asyncio.run(scenario())


def test_a_function_that_gives_no_vectors_costs_hits_and_nothing_else(sim: ThreadedSim) -> None:
    async def scenario() -> None:
        settings = {**settings_for(sim.url), "cache": {"semantic": SEMANTIC}}
        async with Adapter(settings, embed=garbage) as adapter:
            assert await asked_again(adapter, 5) == "miss"

    asyncio.run(scenario())


def test_without_an_embedder_it_says_what_to_give(sim: ThreadedSim) -> None:
    async def scenario() -> None:
        settings = {**settings_for(sim.url), "cache": {"semantic": SEMANTIC}}
        with pytest.raises(SettingsInvalid, match="embed=") as caught:
            await Adapter(settings).start()
        assert "cache.semantic.embedder" in caught.value.message

    asyncio.run(scenario())
